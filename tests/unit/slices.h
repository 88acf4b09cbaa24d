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

#endif
