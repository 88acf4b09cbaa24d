/* large.h - blocks over 32 KiB, and those aligned to more than a page: a span each.
 *
 * Usable size is rounded to 4 KiB, the span to slices, and more of them where it has grown by small steps: the tail is never
 * touched. A block begins some cache lines into its span where that leaves room, or the first lines of all would meet in one set.
 * Only the first desc is written (its owner is OWNER_LARGE); the others are blank, so an interior pointer is nobody's.
 * Any thread; the page level's lock is taken inside. */
#ifndef MSPACE_LARGE_H
#define MSPACE_LARGE_H

#include "again.h"

/* The span of a live large block that starts at p, else NULL. */
INLINE struct span *large_of(const void *p)
{
    if (!range_has(p)) return NULL;
    const struct desc *desc = range.table + range_index(p);
    return PEEK(desc->owner) == OWNER_LARGE && PEEK(desc->start) == (uintptr_t)p ? range.records + range_index(p) : NULL;
}

/* size at most PTRDIFF_MAX, alignment a power of two; before: of the smaller block that has outgrown its place, else 0, and then
 * one of this size that `heap`, NULL none, keeps. *is_zero, false so far, is set if it reads zero. NULL: out of memory. */
void *large_alloc(struct heap *heap, size_t size, size_t before, size_t alignment, bool *is_zero);

/* Makes such a block, of more than KEPT_SLICES, read zero, if it may not. */
void large_zero(void *block, size_t size);

/* The last block of about that size that the calling thread, whose heap this is, has freed (again.h). NULL: there is none. */
void *large_again(struct heap *heap, size_t size);

/* Gives back what a heap, NULL none, keeps, owner only; what all keep but for what their threads may have again, any thread. */
void large_give_kept(struct heap *heap);
void large_give_all_kept(void);

/* free of a large block by the thread that has allocated it: it is kept where no other thread looks, with no locked instruction:
 * such wait until all is written that the program has stored. Of two threads that free it at once both may succeed, unless
 * hardened. False: it is none, or there is no room. */
INLINE bool large_keep_again(const void *p)
{
    struct span *span = large_of(p);
    struct heap *heap = heap_of_identity(thread.heap); /* 0, as in hardened mode: the empty one, which is nobody's home */
    if (!span || span->home != heap) return false;
    size_t nslices = span_nslices(span);
    if (!again_has_room_at_once(heap, nslices)) return false;
    __atomic_store_n(&span_desc(span)->owner, OWNER_NONE, __ATOMIC_RELAXED);
    again_put(heap, span, nslices);
    return true;
}

/* Frees a live large block: keeps it for the calling thread or the one that allocated it, without a lock, unless there is no room
 * or that one is gone. False: it is not live any more; nothing was done. */
bool large_keep(struct span *span);

/* Frees one for good. False: not the start of a live large block (or another thread was first). */
bool large_free(void *block);

/* Resizes without moving, or returns false and changes nothing. */
bool large_resize(struct span *span, size_t size);

/* Resizes by moving pages, or a big block by copying a little at a time, so that it is never resident twice. NULL: not possible
 * here and now, and nothing has changed. */
void *large_move(struct span *from, size_t size);

#endif
