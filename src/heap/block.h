/* block.h - the fast paths: one block off its class's list, one block back to wherever its span's free blocks are.
 *
 * The free blocks of a small span are a list, one word a block:
 *
 *      link = address ^ address of the next ^ secret
 *
 * Those of a medium span are bits, and nothing is written into them: but what its owner freed last is on a list of the class,
 * too. A second free finds the bit set, or what looks like a link; then the slow road looks whether the block is on the list.
 *
 * free stores the link of a small block without reading it, so that freeing cold memory costs no more than it must. A list is of
 * one slice, or of several of a class (listed.c). malloc takes a block whose next is in the same 2 GiB: two addresses there
 * differ in 27 bits, and the other 37 of the link are the secret's; and clears the word: a block freed twice is found before it
 * is handed out twice, an overwritten one before it is used. The secret's lowest bit is set, and an address's is not: a string's
 * end written one byte too far shows, always. What changes bits 4 to 30 alone leads to a place within 2 GiB: what is there has no
 * link, or there is no memory. The slow roads, and so hardened mode, want the same slice or a block's start.
 *
 * The order of the stores is the order in which a photograph of this thread (fork) may find them: malloc moves the head before it
 * clears the link; free fills the block, counts it, and only then makes it the head. At worst a block that nobody uses is on no
 * list, and its span is given back all the same, for it looks free and is counted; of an attached one, or a medium one, which
 * does not count, it stays. */
#ifndef MSPACE_BLOCK_H
#define MSPACE_BLOCK_H

#include "../base/bits.h"
#include "heap.h"

/* Of an available span of which nothing is out. */
#define DUE_PARKED ((uint64_t)1 << 63)

INLINE void block_link(struct block *block, struct block *next)
{
    block->link = (uintptr_t)block ^ (uintptr_t)next ^ heap_secret;
}

/* Where the next block is, from here: address ^ next. The last has next NULL. Anything, if the block is not as free left it. */
INLINE uintptr_t block_distance(const struct block *block) { return block->link ^ heap_secret; }
INLINE struct block *block_next(const struct block *block) { return (struct block *)((uintptr_t)block ^ block_distance(block)); }

/* Before a block is looked at that is about to be written to: one that never has been, as in many a benchmark, would otherwise be
 * two page faults, the second with an interrupt to all processors that run a thread of the program: the kernel gives who reads a
 * page of zeros that all have. */
INLINE void block_own(struct block *block)
{
#if defined(__x86_64__)
    __asm__ volatile("orq $0, %0" : "+m"(block->link)); /* read for writing, and unchanged */
#endif
}

INLINE bool block_leads_within(const struct block *block, uintptr_t nbytes)
{
    uintptr_t distance = block_distance(block);
    return LIKELY(!(distance & ~(nbytes - GRANULE))) || distance == (uintptr_t)block;
}

enum { LIST_MAX = 1 << 16 }; /* blocks; no list is longer, unless it goes round, or changes under who reads it */

/* Whether a block is on the heap's list of the class, or waits behind it; whether it is so with any heap that reuses others'
 * blocks; and whether the next block is one of another span of the class (listed.c). */
bool block_is_with(const struct heap *heap, unsigned class, const struct block *block);
bool block_is_reused(const struct block *block, unsigned class) HIDDEN;
bool block_is_far(const struct block *block) HIDDEN;
INLINE bool block_is_sound(const struct block *block) { return block_leads_within(block, SLICE_SIZE) || block_is_far(block); }

/* The next of a list; NULL also where it breaks off: what lies behind is not found. */
INLINE struct block *block_after(const struct block *block) { return block_is_sound(block) ? block_next(block) : NULL; }

INLINE bool block_is_on(const struct block *at, const struct block *block)
{
    for (unsigned left = LIST_MAX; range_has(at) && at != block && left; left--) at = block_after(at);
    return at == block;
}

INLINE void block_unlink(struct block **list, struct block *block)
{
    *list = block_next(block);
    STORE_ORDER();
    block->link = 0;
}

INLINE void block_put(struct block **list, struct block *block)
{
    block_link(block, *list);
    *list = block;
}

/* Where a class's pair is in the calling thread's heap; that heap is never NULL, though it may be the empty one. */
INLINE struct pair *block_pair(size_t size)
{
    size_t scaled = (size_t)class_of_x2(size) * 8;
    return (struct pair *)(void *)((char *)heap_pairs(thread.heap) + scaled);
}

INLINE void *block_pop_listed(struct pair *pair)
{
    struct block *block = pair->head;
    if (UNLIKELY(!block)) return NULL;
    if (UNLIKELY(!block_leads_within(block, 2 * GIB))) return NULL; /* not as free left it, or the next one is far */
    block_unlink(&pair->head, block);
    return block;
}

/* What the list of a medium class may hold from now on: malloc has found it empty. At first few blocks, for what is freed in bulk
 * nobody asks for; twice as many if it has been used; and ROOM if it was closed when it was full, and somebody asks all the same
 * (listed.c). A narrow one stays so. */
INLINE int32_t block_room(const struct pair *list, size_t size)
{
    int32_t room = list->room, narrow = room & NARROW;
    if (room == LIST_CLOSED) return ROOM;
    if (room <= 0) return (int32_t)max_size(LIST_FEW * size, room ? ROOM_NARROW : 0) - room;
    bool may_grow = list->seen != list->left && room < ROOM - GRANULE;
    return may_grow ? (int32_t)min_size(narrow ? ROOM - GRANULE : ROOM, (size_t)(2 * (room - narrow))) + narrow : room;
}

/* Of a medium class, when its list is empty: the first free block of the current span, NULL if there is none. Owner only. */
INLINE void *block_pop_bits(struct heap *heap, unsigned class)
{
    struct pair *pair = heap_pair(heap, class), *list = &heap->pairs[class];
    uint64_t bits = pair->bits, size = class_table[class].size;
    if (list->head) return NULL;
    list->room = block_room(list, size);
    list->seen = list->left;
    if (!bits) return NULL;
    __atomic_store_n(&pair->bits, bits & (bits - 1), __ATOMIC_RELAXED);
    return span_blocks(heap->current[class]) + bits_lowest(bits) * size;
}

/* Whether block k of a medium span is on its owner's list, or one's that reuses it: whether it looks as if, for that is one line
 * to read, and then whether it is. Any thread, of a block that it has freed: nobody can have allocated it meanwhile. */
INLINE bool block_is_listed(const struct span *span, unsigned k)
{
    const struct desc *desc = span_desc(span);
    struct pair *list = __atomic_load_n(&desc->list, __ATOMIC_ACQUIRE); /* NULL: the span is being made */
    const struct block *block = (const void *)((const char *)PEEK(desc->start) + (size_t)k * PEEK(desc->size));
    return list && UNLIKELY(block_leads_within(block, 2 * GIB)) &&
           (block_is_on(PEEK(list->head), block) || block_is_reused(block, desc->class));
}

/* malloc, when the thread has a sound free block of the class on its list: else NULL. 22 instructions with its return
 * (tests/abi). */
INLINE void *block_pop(size_t size) { return LIKELY(size <= MEDIUM_MAX) ? block_pop_listed(block_pair(size)) : NULL; }
INLINE void *block_pop_class(unsigned class) { return block_pop_listed(&heap_pairs(thread.heap)[class]); }

/* REFUSED: nothing was changed. EVENT: freed, and what was due has come: heap_event(p) is next. */
enum push { PUSH_DONE, PUSH_EVENT, PUSH_REFUSED };

INLINE enum push block_push_small(struct block *block, const struct desc *desc, struct pair *pair)
{
    if (UNLIKELY(!desc_is_start(desc, block))) return PUSH_REFUSED;
    struct block *head = pair->head;
    if (UNLIKELY(head == block)) return PUSH_REFUSED; /* the commonest double free: at once, and without a load */
    block_link(block, head);
    STORE_ORDER();
    bool is_event = bits_subtract(&pair->due, (uintptr_t)block);
    STORE_ORDER();
    pair->head = block;
    return UNLIKELY(is_event) ? PUSH_EVENT : PUSH_DONE;
}

/* Onto the class's list, if it may and there is room; to its span, if nobody asks for such (listed.c); or let the slow road
 * decide. */
INLINE enum push block_push_medium(struct block *block, const struct desc *desc, struct pair *list, bool may_be_listed,
                                   bool is_others)
{
    unsigned __int128 product = (unsigned __int128)((uintptr_t)block - desc->start) * desc->reciprocal;
    if (UNLIKELY((uint64_t)product >= PEEK(desc->bound))) return PUSH_REFUSED; /* desc_is_start; the index is in the upper half */
    struct pair *pair = PEEK(desc->pair);
    uint64_t bits = PEEK(pair->bits);
    if (UNLIKELY(bits_test_and_set(&bits, (uint64_t)(product >> 64)))) return PUSH_REFUSED;
    struct block *head = list->head;
    int32_t room = (head ? head->room : list->room) - (int32_t)desc->size;
    if (may_be_listed && LIKELY(room >= 0)) {
        block->room = room; /* before it is looked at (block_own); of one that is there already it is not too much */
        STORE_ORDER();
        /* it looks as if it were there, or on somebody else's list */
        if ((head || UNLIKELY(PEEK(heaps_reuse))) && block_leads_within(block, 2 * GIB)) return PUSH_REFUSED;
        block_link(block, head);
        STORE_ORDER();
        list->head = block;
        return UNLIKELY(!--list->left) ? PUSH_EVENT : PUSH_DONE;
    }
    if (is_others || (may_be_listed && (head || (UNLIKELY(PEEK(heaps_reuse)) && block_leads_within(block, 2 * GIB)))))
        return PUSH_REFUSED;
    bool is_event = bits_subtract(&pair->due, 1);
    STORE_ORDER();
    __atomic_store_n(&pair->bits, bits, __ATOMIC_RELAXED);
    return UNLIKELY(is_event) ? PUSH_EVENT : PUSH_DONE;
}

/* free, when the block is the calling thread's and in use as far as can be told without reading it.
 * 27 instructions with its return, 47 for a medium block (tests/abi). */
INLINE enum push block_push(void *p)
{
    size_t index = range_index(p);
    if (UNLIKELY(index >= range_limit())) return PUSH_REFUSED;
    const struct desc *desc = range.table + index;
    uintptr_t own = thread.frees;
    own -= PEEK(desc->owner);
    if (LIKELY(own == 0)) return block_push_small(p, desc, desc->pair);
    if (LIKELY(own == -(uintptr_t)OWNER_MEDIUM)) return block_push_medium(p, desc, desc->list, true, false);
    return PUSH_REFUSED;
}

/* The same in a thread that reuses others' blocks (listed.c), of small ones, and of medium ones its own. Whose a small block is
 * nobody can foresee there, and a branch on it, wrong every other time, made bench_exchange take 1.4 of this. */
INLINE enum push block_push_anyones(void *p)
{
    size_t index = range_index(p);
    if (UNLIKELY(index >= range_limit())) return PUSH_REFUSED;
    const struct desc *desc = range.table + index;
    struct heap *heap = heap_of_identity(thread.heap);
    unsigned class = desc->class;
    bool is_others = PEEK(desc->owner) != thread.heap;
    if (PEEK(desc->owner) == thread.heap + OWNER_MEDIUM) return block_push_medium(p, desc, desc->list, true, false);
    if (UNLIKELY(class >= NSMALL) || UNLIKELY(is_others & heap->sated >> class)) return PUSH_REFUSED;
    heap->nothers += is_others & (PEEK(desc->owner) > OWNER_LARGE);
    return block_push_small(p, desc, bits_choose(is_others, &heap->pairs[class], PEEK(desc->pair)));
}

#endif
