/* again.h - large blocks that a thread has freed and may have again: lists of its heap's own, where no other thread looks, with no locked instruction.
 *
 * By slices, and what came last goes first: the same sizes come and go in most programs that use such blocks at all, and what has been touched of one is
 * touched of the next. (Figures: ../README.md.) Of AGAIN_SLICES at most: larger ones left in place spoil the free spans between them for the next.
 *
 * How many: KEPT_SLICES in all, and twice as many whenever malloc finds none on a list on which one found no room, up to AGAIN_SHARES of the heap's shares of
 * dirty=, which it may have besides. All heaps together are granted as many times dirty=: or threads that come one after another, and sleep, would each
 * keep its share of when they were fewer. Malloc that finds none takes dirty memory, and gives back as much as it takes, unless all is little beside what
 * is in use: so a heap holds little more than it has had in use at once. All goes when nothing is dirty, or for what is larger or grows; and when some of
 * it has not been wanted between two looks of its thread, some seconds.
 *
 * For signal handlers, which may come in between any two instructions: a list is cut off whole, and put back without its last. All of this is its
 * thread's, or a test's. */
#ifndef MSPACE_AGAIN_H
#define MSPACE_AGAIN_H

#include "heap.h"

/* PEEK. Slices that all heaps together have been granted. */
extern uint32_t again_granted HIDDEN;

/* Whether one of so many slices finds room; and then, one that has so many, is free, and the caller's. */
bool again_has_room(struct heap *heap, size_t nslices);
void again_put(struct heap *heap, struct span *span, size_t nslices);

/* The last one of just as many slices; NULL: there is none. */
struct span *again_take(struct heap *heap, size_t nslices);

/* Malloc, which has found none, takes another from the page level: adds to what is given back, linked by woken_next, what is to go of these. False: there
 * are none, of whatever size, or it is too large: all that is kept is in the way. */
bool again_instead(struct heap *heap, size_t nslices, struct span **given);

/* All, linked before `rest`. */
struct span *again_take_all(struct heap *heap, struct span *rest);

/* Now and then. */
void again_look(struct heap *heap);

/* What is kept here has gone, and its thread goes, or is idle: its room is others'. */
void again_end(struct heap *heap);

/* Those of so many slices, AGAIN_SLICES at most, the last first, linked by woken_next; for the verifier. */
const struct span *again_first(const struct heap *heap, size_t nslices);

#endif
