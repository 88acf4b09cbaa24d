/*
 * ring.h: hands blocks from one thread to another with as little else as possible (producer_consumer.c, medium.c).
 *
 * One writer, one reader, a power of two of places; each side looks at the other's position only when its own knowledge is used
 * up, so that the line is passed once a ring, not once a block. Who must wait yields: both may be on one CPU.
 */
#ifndef TESTS_BENCH_RING_H
#define TESTS_BENCH_RING_H

#include <sched.h>
#include <stddef.h>

enum { RING_NPLACES_MAX = 4096 };

struct ring {
    size_t mask;                                            /* constant: places - 1 */
    void *places[RING_NPLACES_MAX];
    _Alignas(64) size_t written; size_t read_seen;          /* the writer's; written is read by the reader */
    _Alignas(64) size_t read; size_t written_seen;          /* the reader's; read is read by the writer */
};

static inline void ring_put(struct ring *r, void *block)
{
    while (r->written - r->read_seen > r->mask) {
        r->read_seen = __atomic_load_n(&r->read, __ATOMIC_ACQUIRE); /* pairs with ring_take's release: the place is empty */
        if (r->written - r->read_seen > r->mask) sched_yield();
    }
    r->places[r->written & r->mask] = block;
    __atomic_store_n(&r->written, r->written + 1, __ATOMIC_RELEASE); /* pairs with ring_take's acquire: the block is there */
}

static inline void *ring_take(struct ring *r)
{
    while (r->written_seen == r->read) {
        r->written_seen = __atomic_load_n(&r->written, __ATOMIC_ACQUIRE);
        if (r->written_seen == r->read) sched_yield();
    }
    void *block = r->places[r->read & r->mask];
    __atomic_store_n(&r->read, r->read + 1, __ATOMIC_RELEASE);
    return block;
}

#endif
