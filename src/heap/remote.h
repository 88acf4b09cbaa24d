/* remote.h - frees by threads that do not own the span.
 *
 * One 64-bit word a span, changed by compare-and-swap only (baseline x86-64 has no 16-byte one):
 *
 *      small     bits 0-15 index of the first block of a list | 16-31 count    | flags
 *      medium    bits 0-59 the set of free blocks                              | flags
 *      flags     bit 60 FULL | 61 RETIRED | 62 NOTIFIED
 *
 * Pushes are release, takes acquire; a take takes all, so that no block can be put back between (no ABA). What takes NOTIFIED off
 * is release too: whoever puts it on next writes woken_next, which has been read before.
 *
 *      state      means                                    leaves it by
 *      (owned)    its owner allocates from it or lists it  owner lets go when exhausted: FULL, if count is still 0
 *      FULL       owner knows of no free block             owner takes it back; or the push that makes count == capacity
 *      RETIRED    every block is free and here             that pusher gives the span back: nothing of the owner's
 *                                                          needs touching, a full span is on no list
 *      NOTIFIED   it is on a heap's woken stack, or a      whoever takes it off the stack
 *                 pusher is about to put it there
 *
 * The push that brings the count to span_wake() while FULL sets NOTIFIED and puts the span on its owner's stack, so once an episode. A NOTIFIED
 * span is never given back by anybody but the one who takes it off a stack: any thread may take a whole stack, which is
 * how spans of an owner that sleeps are given back all the same (remote_steal). Laws: count <= capacity;
 * RETIRED => count == capacity; FULL and count == capacity => NOTIFIED. */
#ifndef MSPACE_REMOTE_H
#define MSPACE_REMOTE_H

#include "block.h"

#define REMOTE_FULL ((uint64_t)1 << 60)
#define REMOTE_RETIRED ((uint64_t)1 << 61)
#define REMOTE_NOTIFIED ((uint64_t)1 << 62)
#define REMOTE_FLAGS ((uint64_t)0xf << 60)

INLINE unsigned remote_first(uint64_t word) { return word & 0xffff; } /* small */
INLINE unsigned remote_count(uint64_t word) { return word >> 16 & 0xffff; }
INLINE uint64_t remote_bits(uint64_t word) { return word & ~REMOTE_FLAGS; } /* medium */

INLINE bool remote_has(uint64_t word) { return (word & ~REMOTE_FLAGS) != 0; }

INLINE uint64_t remote_load(struct span *span) { return atomic_load_explicit(&span->remote, memory_order_relaxed); }

/* Frees `block`, which another heap owns (or the shared one), on behalf of `heap`, NULL for a thread without one. */
void remote_free(struct heap *heap, struct span *span, struct block *block);

/* A free block of a medium span that another heap owns. False: it is free already, by whatever thread. */
bool remote_free_medium(struct span *span, unsigned k);

/* Whether a medium block of another heap's is free because that heap's thread has freed it. Never true of a block that is not;
 * not to be relied on to be true while its owner moves the span. */
bool remote_is_free_at_owner(struct span *span, unsigned k);

/* Posts what `heap` has gathered. Owner only. */
void remote_flush(struct heap *heap);

/* Takes the payload and makes the span owned. Returns the word as it was: its flags tell what it was. Owner only. */
uint64_t remote_take(struct span *span, bool off_stack);

/* Makes an owned span FULL, unless blocks have arrived: then false. Owner only; the span must be ready to vanish. */
bool remote_let_go(struct span *span);

/* Takes a heap's woken stack, linked by woken_next. Any thread. */
struct span *remote_take_woken(struct heap *heap);

/* Puts a NOTIFIED span on the stack of its present owner. */
void remote_post(struct span *span);

#endif
