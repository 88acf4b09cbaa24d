/* block.h - the fast paths: one block off a list, one block onto it.
 *
 * A free block holds {next, tag}, tag = address ^ next ^ secret. free stores both without reading the block, so that
 * freeing cold memory costs no more than it must; malloc checks the tag before next steers anything and clears
 * it: a block freed twice is found before it is handed out twice, an overwritten one before it is used.
 *
 * The order of the stores is the order in which a photograph of this thread (fork) may find them: malloc moves the
 * head before it clears the tag; free fills the block, counts it, and only then makes it the head. At worst a block that
 * nobody uses is on no list, and its span is given back all the same, for it looks free and is counted. */
#ifndef MSPACE_BLOCK_H
#define MSPACE_BLOCK_H

#include "heap.h"

/* A countdown that never reaches zero: that of a current span, which means nothing. */
#define COUNTDOWN_PARKED ((uint64_t)1 << 63)

INLINE uintptr_t block_tag(const struct block *block, const struct block *next)
{
    return (uintptr_t)block ^ (uintptr_t)next ^ heap_secret;
}

INLINE void block_link(struct block *block, struct block *next)
{
    block->next = next;
    block->tag = block_tag(block, next);
}

INLINE bool block_is_sound(const struct block *block) { return block->tag == block_tag(block, block->next); }

/* Takes the head of a list, which is not empty. False: the block is not what free left, and nothing was changed. */
INLINE bool block_take(struct pair *pair, struct block **taken)
{
    struct block *block = *taken = pair->head, *next = block->next;
    if (UNLIKELY(block->tag != block_tag(block, next))) return false;
    pair->head = next;
    STORE_ORDER();
    block->tag = 0;
    return true;
}

/* malloc, when the thread has a sound free block of the class: else NULL. 21 instructions (tests/abi). */
INLINE void *block_pop(size_t size)
{
    if (UNLIKELY(size > SMALL_MAX)) return NULL;
    const char *pairs = (const char *)heap_of_identity(thread.heap)->pairs;
    struct pair *pair = (struct pair *)(uintptr_t)(pairs + (size_t)class_of_granules_x2[(size + GRANULE - 1) / GRANULE] * 8);
    struct block *block;
    if (UNLIKELY(!pair->head) || UNLIKELY(!block_take(pair, &block))) return NULL;
    return block;
}

/* REFUSED: nothing was changed. EVENT: freed, and the span's countdown reached zero: heap_event(p) is due. */
enum push { PUSH_DONE, PUSH_EVENT, PUSH_REFUSED };

/* free, when the block is small, the calling thread's and in use as far as can be told without reading it.
 * 31 instructions with its return (tests/abi). */
INLINE enum push block_push(void *p)
{
    size_t index = range_index(p);
    if (UNLIKELY(index >= range_limit())) return PUSH_REFUSED;
    struct desc *desc = range.table + index;
    if (UNLIKELY(PEEK(desc->owner) != thread.heap)) return PUSH_REFUSED;
    size_t offset = (uintptr_t)p - desc->start;     /* under 2 MiB: the slice is the span's */
    if (UNLIKELY((uint32_t)offset >= PEEK(desc->carved))) return PUSH_REFUSED;
    if (UNLIKELY(!class_is_multiple(offset, desc->reciprocal))) return PUSH_REFUSED;
    struct pair *pair = desc->pair;
    struct block *head = pair->head;
    if (UNLIKELY(head == p)) return PUSH_REFUSED;      /* the commonest double free: at once, and without a load */
    block_link(p, head);
    STORE_ORDER();
    uint64_t countdown = --pair->countdown;
    STORE_ORDER();
    pair->head = p;
    return UNLIKELY(countdown == 0) ? PUSH_EVENT : PUSH_DONE;
}

#endif
