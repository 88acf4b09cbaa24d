/* scenes.h: what the scenes of all protocols begin and end with. */
#ifndef TESTS_MODEL_SCENES_H
#define TESTS_MODEL_SCENES_H

#include "api/alloc.h"
#include "heap/remote.h"
#include "model.h"

enum { SIZE = 7232, CAPACITY = 9 }; /* so large that a free is posted at once; a span has 9 */

static void *held[256]; /* by set_up, which alone may change it */

static inline struct span *span_of(const void *block) { return range.records + range_index(block); }

static inline void drain(void) { heap_drain(heap_own(), false); }
/* And each size its own class, as when there are many blocks. */
static inline void have_a_heap(void)
{
    alloc_free(alloc_malloc(16));
    class_serve_all();
}

/* The first blocks of a class are the shared heap's, the next of another class or of clean memory; but not those
 * of a heap that has grown up. */
static inline void grow_up(size_t size) { have_a_heap(), heap_own()->nfirst[class_of(size)] = UINT8_MAX; }

/* The next n blocks. A thread's first span is let go, and FULL, when it wants one more than CAPACITY. */
static inline void hold(unsigned from, unsigned n)
{
    for (unsigned i = from; i < from + n; i++) held[i] = take(SIZE);
}
static inline void own_a_span(void) { grow_up(SIZE), hold(0, CAPACITY); }
static inline void hold_two_and_grow_up(void) { hold(0, 2), grow_up(SIZE); } /* of the shared heap's */
static inline void own_two_spans(void) { own_a_span(), hold(CAPACITY, CAPACITY); }

static inline void own_three_spans(void) { own_two_spans(), hold(2 * CAPACITY, CAPACITY); }

static inline void take_and_drop(void) { drop(take(SIZE)); }
static inline void drop_0(void) { drop(held[0]); }
static inline void drop_1(void) { drop(held[1]); }
static inline void drop_9(void) { drop(held[CAPACITY]); }

static inline void drop_held(unsigned from, unsigned end)
{
    for (unsigned i = from; i < end; i++)
        if (is_held(held[i])) drop(held[i]);
}

/* Of spans that nobody is looking at: every bit is announced, and a full span of which enough is free is on its owner's stack. */
static inline void all_is_announced(void)
{
    for (size_t i = 0; i < range_limit(); i++) {
        struct span *span = range.records + i;
        if (span_state(span) < SPAN_CURRENT || span_state(span) > SPAN_FULL) continue;
        uint64_t word = remote_load(span);
        unsigned n = 0, count = word & REMOTE_COUNT;
        for (unsigned k = 0; k < span->capacity; k++) n += remote_is_posted(span, k);
        bool is_swept = span->swept < remote_nwords(span); /* or the bits are those that the owner has not come to yet */
        if (n && !remote_has(word) && !is_swept) broken("%u blocks of span %zu are free, and its owner is not told", n, i);
        if ((word & REMOTE_FULL) && count < n)
            broken("of span %zu, which is full, %u blocks are free and %u are counted", i, n, count);
        if ((word & REMOTE_FULL) && n >= span_wake(span) && !(word & REMOTE_NOTIFIED))
            broken("span %zu is full and not woken", i);
    }
}

/* When nothing is held and everybody has drained, a span is current somewhere or free. */
static inline void none_is_kept(void)
{
    for (size_t i = 0; i < range_limit(); i++) {
        enum span_state state = span_state(range.records + i);
        if (state == SPAN_AVAILABLE || state == SPAN_FULL || state == SPAN_LOST)
            broken("span %zu, of which all is free, is kept: its state is %d", i, (int)state);
    }
}

#endif
