/* rebind.h - references to libc's malloc, made ours after the loader has bound them. */
#ifndef MSPACE_REBIND_H
#define MSPACE_REBIND_H

#include "../src/base/base.h"

#include <link.h>

/* What an object's PT_DYNAMIC says of its symbols and relocations; 0 what it does not. */
struct dynamic {
    uint64_t symbols, strings, table[2], nbytes[2]; /* relocations: at once, and by need */
};

/* Reads at most n entries, up to DT_NULL. */
void rebind_read_dynamic(struct dynamic *dynamic, const ElfW(Dyn) *entry, size_t n);

/* Of the object that `handle` stands for and of what was loaded with it. Returns the handle; NULL for NULL. Takes the loader's
 * lock. */
void *rebind_newcomers(void *handle);

#endif
