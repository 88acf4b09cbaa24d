/* limit.h: limit= in the middle of a test. */
#ifndef TESTS_UNIT_LIMIT_H
#define TESTS_UNIT_LIMIT_H

#include "os/options.h"
#include "span/span.h"

static inline void limit_none(void) { options.limit.hard = options.limit.soft = 0; }

/* From now on the heap may hold so many bytes more, hard and soft. Returns what it holds. */
static inline size_t limit_to_more(size_t nbytes)
{
    options.limit.hard = options.limit.soft = SIZE_MAX / 2;
    limit_count_again();
    size_t used = options.limit.soft - limit_leaves();
    options.limit.hard = options.limit.soft = used + nbytes;
    return used;
}

#endif
