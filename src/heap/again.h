/* again.h - spans that a thread has freed and may have again: large blocks, and those of its blocks that are all free. Lists of
 * its heap's own, where no other thread looks, with no locked instruction.
 *
 * By slices, and what came last goes first: the same sizes come and go in most programs that use such blocks at all, and what has
 * been touched of one is touched of the next. (Figures: ../README.md.) Of AGAIN_SLICES at most: larger ones left in place spoil
 * the free spans between them for the next.
 *
 * How many: KEPT_SLICES in all, and twice as many whenever malloc finds none on a list on which one found no room, up to
 * AGAIN_SHARES of the heap's shares of dirty=, which it may have besides. All heaps together are granted as many times dirty=: or
 * threads that come one after another, and sleep, would each keep its share of when they were fewer. Malloc that finds none, or
 * wants one too large for the lists, takes dirty memory, and gives back as much, unless all is little beside what is in use: so a
 * heap holds little more than it has had in use at once. All goes when nothing dirty is large enough, or for more than
 * INSTEAD_SLICES, or what grows; and when some of it has not been wanted between two looks of its thread, some seconds.
 *
 * One of a slice more serves if there is none of just as many, for AGAIN_LARGER blocks: or all would become of the larger kind.
 *
 * For signal handlers, which may come in between any two instructions: a list is cut off whole, and put back without its last.
 * All of this is its thread's, or a test's.
 *
 * Who has been granted all there is to grant, and wants more, takes and gives FLOCK slices at a time if there are other threads:
 * two that fill and drop 1,000 buffers each 0.6 of the time, for each went to the page level for each buffer, and waited for its
 * lock. (Figures: ../README.md.)
 *
 * Spans of blocks are kept up to one share: what small blocks leave is wanted by all classes, and by all threads. */
#ifndef MSPACE_AGAIN_H
#define MSPACE_AGAIN_H

#include "../base/bits.h"
#include "../os/options.h"
#include "heap.h"

/* PEEK. Slices that all heaps together have been granted. */
extern uint32_t again_granted HIDDEN;

/* Whether one of so many slices has room, a large block's: at once, or after a look at who else has; or one of blocks. And then,
 * one that has so many, is free, and the caller's. */
INLINE bool again_has_room_at_once(const struct heap *heap, size_t nslices)
{
    size_t all = heap->again.nslices + nslices;
    if (UNLIKELY(nslices - 1 >= AGAIN_SLICES)) return false;
    return LIKELY(all <= heap_kept_most()) || (all <= heap->again.room && heap->again.room <= PEEK(heap_again_share));
}
bool again_has_room(struct heap *heap, size_t nslices);
bool again_has_room_for_blocks(struct heap *heap, size_t nslices);

INLINE void again_put(struct heap *heap, struct span *span, size_t nslices)
{
    uint32_t *list = &heap->again.last[nslices - 1], number = span_number(span), last;
    if (UNLIKELY(span->nbytes - 1 < (nslices - 1) << SLICE_SHIFT) && heap->again.nlarger) heap->again.nlarger--;
    span_set(span, SPAN_KEPT, nslices);
    heap->again.nslices += (uint16_t)nslices;
    do span->woken_next = span_numbered(last = PEEK(*list));
    while (UNLIKELY(!bits_swap_if(list, last, number)));
}

/* All of so many slices, which are in range. */
INLINE struct span *again_cut(struct heap *heap, size_t nslices)
{
    uint32_t last = PEEK(heap->again.last[nslices - 1]);
    return last && bits_swap_if(&heap->again.last[nslices - 1], last, 0) ? span_numbered(last) : NULL;
}

/* The last one of just as many slices, KEPT still; NULL: there is none. A handler may have put some there meanwhile: then the
 * others go behind them. One that two threads have freed at once may have been cut since: it is forgotten. */
INLINE struct span *again_pop(struct heap *heap, size_t nslices)
{
    struct again *again = &heap->again;
    struct span *span = nslices - 1 < AGAIN_SLICES ? again_cut(heap, nslices) : NULL; /* 0: of a size that is out of range */
    if (!span) return NULL;
    struct span *rest = span->woken_next, *first, *last;
    while (rest && UNLIKELY(!bits_swap_if(&again->last[nslices - 1], 0, span_number(rest))))
        if ((first = last = again_cut(heap, nslices)) != NULL) {
            while (last->woken_next) last = last->woken_next;
            last->woken_next = rest, rest = first;
        }
    again->nslices -= (uint16_t)min_size(again->nslices, nslices);
    again->least = (uint16_t)min_size(again->least, again->nslices);
    return LIKELY(span_nslices(span) == nslices) ? span : NULL;
}

/* One of a slice more, likewise; NULL also if too many have such. */
INLINE struct span *again_pop_larger(struct heap *heap, size_t nslices)
{
    if (nslices - 1 >= AGAIN_SLICES - 1 || heap->again.nlarger >= AGAIN_LARGER) return NULL;
    struct span *span = again_pop(heap, nslices + 1);
    heap->again.nlarger += span != NULL;
    return span;
}

/* For malloc, which has found none: another that is dirty, from the page level. What is to go of these instead is given back,
 * before it all that is `*given`, linked by woken_next, which is NULL then. NULL, and nothing done: nothing is kept, or it is
 * larger than INSTEAD_SLICES; or, all done, nothing dirty is large enough, and all that is kept is in the way. */
struct span *again_instead(struct heap *heap, size_t nslices, enum span_state state, struct span **given);

/* All, linked before `rest`. */
struct span *again_take_all(struct heap *heap, struct span *rest);

/* Now and then. */
void again_look(struct heap *heap);

/* What is kept here has gone, and its thread goes, or is idle: its room is others'. */
void again_end(struct heap *heap);

/* Those of so many slices, AGAIN_SLICES at most, the last first, linked by woken_next; for the verifier. */
const struct span *again_first(const struct heap *heap, size_t nslices);

#endif
