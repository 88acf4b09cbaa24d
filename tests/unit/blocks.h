/* blocks.h: many blocks of a size, and threads that free them. */
#ifndef TESTS_UNIT_BLOCKS_H
#define TESTS_UNIT_BLOCKS_H

#include "api/alloc.h"
#include "unit.h"
#include "watch/watch.h"

#include <pthread.h>

static inline void sound(void) { require(watch_verify() == 0, "the heap is broken\n"); }

enum { NMAX = 200000 };
static void *blocks[NMAX];

static inline void fill(size_t n, size_t size)
{
    for (size_t i = 0; i < n; i++) require((blocks[i] = alloc_malloc(size)) != NULL, "out of memory\n");
}

static inline size_t live_nbytes(void) { return spans.totals.live << SLICE_SHIFT; }

static inline void in_thread(void *(*work)(void *), void *argument)
{
    pthread_t other;
    require(pthread_create(&other, NULL, work, argument) == 0 && pthread_join(other, NULL) == 0, "no thread\n");
}

struct range_of_blocks {
    size_t n, step, offset;
};

static inline void *free_some(void *of)
{
    const struct range_of_blocks *some = of;
    for (size_t i = some->offset; i < some->n; i += some->step) alloc_free(blocks[i]);
    return NULL;
}

/* So many blocks that there are at least 20 spans of them. */
static inline size_t many(size_t size)
{
    const struct class *class = &class_table[class_of(size)];
    return 20 * (size_t)class->capacity;
}

#endif
