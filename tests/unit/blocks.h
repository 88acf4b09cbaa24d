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

static inline size_t nlive_now(void)
{
    struct watch_totals totals;
    watch_count(&totals);
    return totals.nlive;
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

/* So many blocks that there are at least 20 spans of them, in whichever class. */
static inline size_t many(size_t size)
{
    return 20 * (size_t)(size > SMALL_MAX ? MEDIUM_CAPACITY : class_table[class_of(size)].capacity);
}

static inline uintptr_t start_of(const void *block) { return range.table[range_index(block)].start; }

static inline enum span_state state_at(uintptr_t start) { return span_state(span_of_start(start)); }

/* n blocks of the span there. */
static inline void free_from(uintptr_t start, size_t nblocks, int n)
{
    for (size_t i = 0; i < nblocks && n; i++)
        if (blocks[i] && start_of(blocks[i]) == start) alloc_free(blocks[i]), blocks[i] = NULL, n--;
    require(n == 0, "a span of too few blocks\n");
}

#endif
