/* doors.h - what the C names and the C++ operators share: the way back of a block, and the slow doors of exports.c. */
#ifndef MSPACE_DOORS_H
#define MSPACE_DOORS_H

#include "../src/api/alloc.h"

/* A call from inside the guard, or before the next definitions are known: the boot arena, then the shared heap. */
void *boot_or_shared(size_t size, size_t alignment);

/* A pointer that the fast path refused, by the name of the entry that was called. And any, for entries that are seldom called:
 * ten of them, with the fast path in each, were most of a page that every program maps. */
void free_slow(void *p, const char *entry);
void free_seldom(void *p, const char *entry);

INLINE void free_as(const char *entry, void *p)
{
    enum push pushed = block_push(p);
    if (LIKELY(pushed == PUSH_DONE)) return;
    if (pushed == PUSH_EVENT) alloc_event(p);
    else free_slow(p, entry);
}

#endif
