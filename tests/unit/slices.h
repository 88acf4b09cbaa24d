/* slices.h: what tests of blocks that are a span each begin with. */
#ifndef TESTS_UNIT_SLICES_H
#define TESTS_UNIT_SLICES_H

#include "api/alloc.h"
#include "heap/large.h"
#include "unit.h"
#include "watch/watch.h"

static const size_t S = SLICE_SIZE;

static inline void sound(void) { require(watch_verify() == 0, "the heap is broken\n"); }

static inline unsigned char *get(size_t size, int fill)
{
    unsigned char *p = alloc_malloc(size);
    require(p != NULL, "no block of %zu bytes\n", size);
    return memset(p, fill, size);
}

/* Slices. */
static inline size_t count_kept(void)
{
    size_t n = 0;
    for (size_t i = 0; i < range_limit(); i += span_nslices(range.records + i))
        if (span_state(range.records + i) == SPAN_KEPT) n += span_nslices(range.records + i);
    return n;
}

#endif
