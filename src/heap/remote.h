/* remote.h - frees by threads that do not own the span, nor reuse its blocks (listed.c).
 *
 * A block freed by another thread, block k of its span, is bit k of the span's in a table beside the records (span.h), 512 bytes
 * a slice, and on nobody's list; the owner turns the bits back into blocks when it needs some. So one atomic operation frees up
 * to 64 blocks, finds whichever of them is free already, and the owner knows the addresses of all at once: it does not wait for
 * one block's line to learn of the next one.
 *
 * What the pusher and the owner have to tell each other is the span's word `remote`, changed by atomic operations (plainly only
 * when its life begins, and by the owner as long as the process has one thread):
 *
 *      bits 0-15 count | 16 SOME | 17 FULL | 18 RETIRED | 19 NOTIFIED | 32-63 epoch, one more whenever the owner takes the bits
 *
 *      state      means                                    leaves it by
 *      (owned)    its owner allocates from it or lists it  owner lets go when exhausted: FULL, if nothing is there
 *      SOME       and there are bits                       owner takes them
 *      FULL       owner knows of no free block; the        owner takes it back; or the push after which all bits are set
 *                 pushers count
 *      RETIRED    every block is free and here             that pusher gives the span back: nothing of the owner's
 *                                                          needs touching, a full span is on no list
 *      NOTIFIED   it is on a heap's woken stack, or a      whoever takes it off the stack
 *                 pusher is about to put it there
 *
 * A pusher sets bits, then looks at the word, and says SOME or counts; an owner clears SOME, then takes bits. Both are
 * sequentially consistent, so a bit that the owner missed is announced after it cleared. The other way round a bit may be taken
 * before its pusher has counted it, and the count, or SOME, or NOTIFIED, is then too much, be it of the record's next life: so
 * the count only says when to look. RETIRED rests on a look at all the bits, and on a word that has not changed around it, epoch
 * and all.
 *
 * The push that brings the count to span_wake() while FULL sets NOTIFIED and puts the span on its owner's stack, so once an
 * episode. A NOTIFIED span is never given back by anybody but the one who takes it off a stack: any thread may take a whole
 * stack, which is how spans of an owner that sleeps are given back all the same (steal in remote.c). What takes NOTIFIED off is
 * release: whoever puts it on next writes woken_next, which has been read before. */
#ifndef MSPACE_REMOTE_H
#define MSPACE_REMOTE_H

#include "block.h"

#define REMOTE_COUNT ((uint64_t)0xffff)
#define REMOTE_SOME ((uint64_t)1 << 16)
#define REMOTE_FULL ((uint64_t)1 << 17)
#define REMOTE_RETIRED ((uint64_t)1 << 18)
#define REMOTE_NOTIFIED ((uint64_t)1 << 19)
#define REMOTE_EPOCH ((uint64_t)1 << 32)

/* Whether there are bits, or may be. */
INLINE bool remote_has(uint64_t word) { return (word & (REMOTE_SOME | REMOTE_COUNT)) != 0; }

INLINE uint64_t remote_load(struct span *span) { return atomic_load_explicit(&span->remote, memory_order_relaxed); }

/* One of a span's words of bits, and their number. */
INLINE _Atomic(uint64_t) *remote_word(const struct span *span, unsigned word)
{
    size_t slice = span_index(span);
    return &range.remote[slice / REMOTE_SLICES][word / REMOTE_LINE][slice % REMOTE_SLICES][word % REMOTE_LINE];
}
INLINE unsigned remote_nwords(const struct span *span) { return (span->capacity + 63) / 64; }

/* Whether block k has been freed by another thread, and posted. */
INLINE bool remote_is_posted(const struct span *span, unsigned k)
{
    return atomic_load_explicit(remote_word(span, k / 64), memory_order_relaxed) >> k % 64 & 1;
}

/* A span's new life begins, of so many blocks. The word first: who still looks at the old life sees the epoch change. */
void remote_begin(struct span *span, uint32_t capacity);

/* The way of a heap in which blocks of a span gather, and what it is called by while they do. */
INLINE uintptr_t remote_key(uintptr_t start, uint64_t k) { return start | k / 64; }
INLINE struct pending *remote_way(struct heap *heap, unsigned class, uintptr_t key)
{
    return &heap->pending[(class * PENDING_WAYS + (key >> SLICE_SHIFT ^ key) % PENDING_WAYS) % NPENDING];
}

/* The short road of remote_free: a block of a word that the calling thread is gathering. False: nothing was done. Nothing that
 * another thread may look at is touched but the block, which is free before its bit says so, should a fork photograph this. */
INLINE bool remote_gather(struct block *block)
{
    size_t index = range_index(block);
    if (UNLIKELY(index >= range_limit() || !thread.heap)) return false;
    const struct desc *desc = range.table + index;
    uintptr_t owner = PEEK(desc->owner) & ~(uintptr_t)OWNER_MEDIUM;
    if (UNLIKELY(owner <= OWNER_LARGE || owner == thread.heap)) return false;
    unsigned __int128 product = (unsigned __int128)((uintptr_t)block - desc->start) * desc->reciprocal;
    uint64_t k = (uint64_t)(product >> 64), key = remote_key(desc->start, k), bits;
    struct heap *heap = heap_of_identity(thread.heap);
    struct pending *way = remote_way(heap, desc->class, key);
    if (way->key != key || (uint64_t)product >= PEEK(desc->bound)) return false;
    /* it looks as if it were on somebody's list */
    if (UNLIKELY((desc->class >= NSMALL || PEEK(heaps_reuse)) && block_leads_within(block, 2 * GIB))) return false;
    bits = way->bits;
    if (UNLIKELY(bits_test_and_set(&bits, k % 64)) || heap->room < desc->size) return false;
    if (LIKELY(desc->class < NSMALL)) block_link(block, NULL);
    heap_count_others(heap, desc->class);
    heap->room -= desc->size;
    STORE_ORDER();
    way->bits = bits;
    return true;
}

/* Of a medium block of a span that desc describes: whether it is the calling thread's, and neither looks free nor can be at
 * another's. */
INLINE bool remote_is_out(const struct desc *desc, const struct block *block)
{
    if (PEEK(desc->owner) != thread.own + OWNER_MEDIUM || block_leads_within(block, 2 * GIB)) return false;
    return !(desc->pair->bits >> desc_index(desc, block) & 1) && !remote_has(remote_load(span_of_start(desc->start)));
}

/* Whether `heap` has gathered block k: freed it and not told its owner yet. */
bool remote_is_gathered(struct heap *heap, const struct span *span, unsigned k);

/* Frees block k of a span that another heap owns (or the shared one), on behalf of `heap`, which is busy; NULL to post it at
 * once. False: it is free already, by a thread that does not own it. */
bool remote_free(struct heap *heap, struct span *span, unsigned k);

/* Whether a medium block of another heap's is free because that heap's thread has freed it. Never true of a block that is not;
 * not to be relied on to be true while its owner moves the span. */
bool remote_is_free_at_owner(struct span *span, unsigned k);

/* Posts what `heap` has gathered in its next nwords words; NPENDING of them are all. Owner only. */
void remote_flush(struct heap *heap, unsigned nwords);

/* Tells of blocks of a word of bits that turned out to be free already. */
void remote_tell_twice(const struct span *span, unsigned word, uint64_t twice);

/* Makes the span owned, and says that its bits are about to be taken: all of them, or the count is wrong. Returns the word as it
 * was. Owner only. */
uint64_t remote_take(struct span *span, bool off_stack);

/* Makes an owned span FULL, unless there are bits: then false. Owner only; the span must be ready to vanish. */
bool remote_let_go(struct span *span);

/* Takes a heap's woken stack, linked by woken_next; and puts back what is left of it, without a walk. Any thread. */
struct span *remote_take_woken(struct heap *heap);
void remote_put_back(struct heap *heap, struct span *rest);

/* Gives back the spans on a heap's stack that are all free by now, if there are any. Any thread. */
void remote_steal_ripe(struct heap *heap);

/* Puts a NOTIFIED span on the stack of its present owner. */
void remote_post(struct span *span);

#endif
