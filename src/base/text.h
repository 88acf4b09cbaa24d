/* text.h - one line of text, put together without stdio and without malloc.
 *
 * The buffer is the caller's and fixed; what does not fit is cut. Any thread, async-signal-safe: no state but the caller's. By
 * hand: every name of libc's that is used here costs the loader 0.1 us in each program. */
#ifndef MSPACE_TEXT_H
#define MSPACE_TEXT_H

#include "base.h"

struct text {
    size_t length;
    char bytes[248];
};

void text_string(struct text *text, const char *string);   /* appends a C string; NULL appends nothing */
void text_decimal(struct text *text, uint64_t number);     /* appends in base ten */
void text_pointer(struct text *text, const void *pointer); /* appends as 0x and hexadecimal digits */

/* What follows the last slash of a path; NULL for NULL. Safe before any start. */
const char *text_base_name(const char *path);

/* What follows `start` in a string that begins with it, else NULL. */
INLINE const char *text_behind(const char *start, const char *string)
{
    while (*start && *string == *start) string++, start++;
    return *start ? NULL : string;
}

#endif
