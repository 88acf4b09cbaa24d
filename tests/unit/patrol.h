/* patrol.h: looks at what rests (src/heap/trim.c), without the seconds between. */
#ifndef TESTS_UNIT_PATROL_H
#define TESTS_UNIT_PATROL_H

#include "heap/heap.h"

/* A round of looks. */
static inline void patrol(void)
{
    struct heap *heap = heap_own();
    do {
        heap->patrol_due = 0;
        heap_patrol(heap);
    } while (heap->patrol_at != 0);
}

/* What has been seen was so long ago already. */
static inline void let_time_pass(void)
{
    span_for_each (span)
        if (span->seen_since) span->seen_since = 1;
}

#endif
