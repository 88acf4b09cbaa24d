/* block.h - the fast paths: one block out of the current span, one block back to wherever its span's free blocks are.
 *
 * The free blocks of a medium span are bits: nothing is ever written into a free block, a second free finds its bit set.
 * Those of a small span are a list, one word a block:
 *
 *      link = address ^ address of the next ^ secret
 *
 * All are blocks of one slice, so two addresses differ in 12 bits, and 52 of the link's are the secret's. free stores it without reading the block,
 * so that freeing cold memory costs no more than it must; malloc checks those 52 before next steers anything and clears the word: a block freed twice
 * is found before it is handed out twice, an overwritten one before it is used. The secret's lowest bit is set, and an address's is not: a string's
 * end written one byte too far shows, always. What changes the other 12 bits alone leads to a place in the slice, and what is there has no link.
 *
 * The order of the stores is the order in which a photograph of this thread (fork) may find them: malloc moves the
 * head before it clears the link; free fills the block, counts it, and only then makes it the head. At worst a block that
 * nobody uses is on no list, and its span is given back all the same, for it looks free and is counted. */
#ifndef MSPACE_BLOCK_H
#define MSPACE_BLOCK_H

#include "../base/bits.h"
#include "heap.h"

/* Of an available span of which nothing is out. */
#define DUE_PARKED ((uint64_t)1 << 63)

/* The bits of an address that all blocks of a slice share. */
#define LINK_SHARED (~(uintptr_t)(SLICE_SIZE - GRANULE))

INLINE void block_link(struct block *block, struct block *next)
{
    block->link = (uintptr_t)block ^ (uintptr_t)next ^ heap_secret;
}

/* Where the next block is, from here: address ^ next. The last has next NULL. Anything, if the block is not as free left it. */
INLINE uintptr_t block_distance(const struct block *block) { return block->link ^ heap_secret; }
INLINE struct block *block_at(const struct block *block, uintptr_t distance)
{
    return (struct block *)((uintptr_t)block ^ distance);
}
INLINE bool block_may_be_at(const struct block *block, uintptr_t distance)
{
    return LIKELY(!(distance & LINK_SHARED)) || distance == (uintptr_t)block;
}

INLINE struct block *block_next(const struct block *block) { return block_at(block, block_distance(block)); }
INLINE bool block_is_sound(const struct block *block) { return block_may_be_at(block, block_distance(block)); }

/* Takes the head of a list, which is not empty. False: the block is not what free left, and nothing was changed. */
INLINE bool block_take(struct pair *pair, struct block **taken)
{
    struct block *block = *taken = pair->head;
    uintptr_t distance = block_distance(block);
    if (UNLIKELY(!block_may_be_at(block, distance))) return false;
    pair->head = block_at(block, distance);
    STORE_ORDER();
    block->link = 0;
    return true;
}

/* Where a class's pair is in the calling thread's heap; that heap is never NULL, though it may be the empty one. */
INLINE struct pair *block_pair(size_t size)
{
    size_t scaled = (size_t)class_of_granules_x2[(size + GRANULE - 1) / GRANULE] * 8;
    return (struct pair *)(void *)((char *)heap_of_identity(thread.heap)->pairs + scaled);
}

INLINE void *block_pop_small(struct pair *pair)
{
    struct block *block;
    return LIKELY(pair->head != NULL) && LIKELY(block_take(pair, &block)) ? block : NULL;
}

INLINE void *block_pop_medium(struct pair *pair)
{
    const struct place *place = heap_place(pair);
    uint64_t bits = pair->bits;
    if (UNLIKELY(!bits)) return NULL;
    __atomic_store_n(&pair->bits, bits & (bits - 1), __ATOMIC_RELAXED);
    void *block = place->base + bits_lowest(bits) * place->size;
    if (!block) __builtin_unreachable(); /* spares the caller a test */
    return block;
}

/* malloc, when the thread has a sound free block of the class at hand: else NULL.
 * 21 instructions with its return, 22 for a medium block (tests/abi). */
INLINE void *block_pop(size_t size)
{
    if (LIKELY(size <= SMALL_MAX)) return block_pop_small(block_pair(size));
    return LIKELY(size <= MEDIUM_MAX) ? block_pop_medium(block_pair(size)) : NULL;
}

/* The same of a class. */
INLINE void *block_pop_class(unsigned class)
{
    struct pair *pair = &heap_of_identity(thread.heap)->pairs[class];
    return class < NSMALL ? block_pop_small(pair) : block_pop_medium(pair);
}

/* REFUSED: nothing was changed. EVENT: freed, and what was due has come: heap_event(p) is next. */
enum push { PUSH_DONE, PUSH_EVENT, PUSH_REFUSED };

INLINE enum push block_push_small(struct block *block, const struct desc *desc)
{
    if (UNLIKELY(!desc_is_start(desc, block))) return PUSH_REFUSED;
    struct pair *pair = desc->pair;
    struct block *head = pair->head;
    if (UNLIKELY(head == block)) return PUSH_REFUSED; /* the commonest double free: at once, and without a load */
    block_link(block, head);
    STORE_ORDER();
    bool is_event = bits_subtract(&pair->due, (uintptr_t)block);
    STORE_ORDER();
    pair->head = block;
    return UNLIKELY(is_event) ? PUSH_EVENT : PUSH_DONE;
}

INLINE enum push block_push_medium(void *p, const struct desc *desc)
{
    unsigned __int128 product = (unsigned __int128)((uintptr_t)p - desc->start) * desc->reciprocal;
    if (UNLIKELY((uint64_t)product >= PEEK(desc->bound))) return PUSH_REFUSED; /* desc_is_start; the index is in the upper half */
    struct pair *pair = desc->pair;
    uint64_t bits = pair->bits;
    if (UNLIKELY(bits_test_and_set(&bits, (uint64_t)(product >> 64)))) return PUSH_REFUSED;
    bool is_event = bits_subtract(&pair->due, 1);
    STORE_ORDER();
    __atomic_store_n(&pair->bits, bits, __ATOMIC_RELAXED);
    return UNLIKELY(is_event) ? PUSH_EVENT : PUSH_DONE;
}

/* free, when the block is the calling thread's and in use as far as can be told without reading it.
 * 27 instructions with its return, 28 for a medium block (tests/abi). */
INLINE enum push block_push(void *p)
{
    size_t index = range_index(p);
    if (UNLIKELY(index >= range_limit())) return PUSH_REFUSED;
    const struct desc *desc = range.table + index;
    uintptr_t own = thread.heap;
    if (LIKELY(PEEK(desc->owner) == own)) return block_push_small(p, desc);
    __asm__("" ::: "memory"); /* or the owner would be kept in a register, an instruction more on the road above */
    if (LIKELY(PEEK(desc->owner) == own + OWNER_MEDIUM)) return block_push_medium(p, desc);
    return PUSH_REFUSED;
}

#endif
