/* alloc.h - what a caller may ask for, by its C names with alloc_ before them.
 *
 * The fast paths are inline so that the exported malloc and free are one function each (preload/exports.c). Semantics are glibc
 * 2.36's, to the clause: malloc(0) is a unique pointer; realloc(p, 0) frees and returns NULL; more than PTRDIFF_MAX bytes is NULL
 * and ENOMEM; free keeps errno; everything is 16-byte aligned; all of the usable size may be written. Any thread; not
 * async-signal-safe against themselves, like malloc(3). Sources: C11 7.22.3, POSIX 2024, malloc(3). */
#ifndef MSPACE_ALLOC_H
#define MSPACE_ALLOC_H

#include "../guard/crime.h"
#include "../heap/block.h"
#include "../heap/large.h"
#include "../heap/remote.h"

/* How a pointer was taken: a foreign one is for the caller to judge, nothing was done with it. */
enum alloc_verdict { ALLOC_OURS, ALLOC_FOREIGN };

void *alloc_malloc(size_t size);
void alloc_free_as(const char *entry, void *p);
INLINE void alloc_free(void *p) { alloc_free_as("free()", p); }
void *alloc_memalign(size_t alignment, size_t size);

/* malloc, when block_pop had nothing: a medium block of the current span, for of many that are allocated together each is one, or
 * a large one that the thread has freed; or NULL. */
void *alloc_malloc_next(size_t size);

/* free, when block_push refused: a block of another heap's, as the calling thread frees such. */
INLINE enum push alloc_push_others(void *p)
{
    if (UNLIKELY(thread.frees != thread.heap)) return block_push_anyones(p);
    return LIKELY(remote_gather(p)) ? PUSH_DONE : PUSH_REFUSED;
}

/* The slow doors. malloc when those had nothing; free when these refused, by the name of the entry that was called. */
void *alloc_malloc_slow(size_t size);
enum alloc_verdict alloc_free_slow(const char *entry, void *p);
void alloc_event(void *p);

/* A block that reads zero. */
void *alloc_zeroed(size_t size);

/* Resizes a block inside the heap range; NULL and errno, the block intact, when out of memory. size is not 0. */
void *alloc_resize(const char *entry, void *p, size_t size);

/* Whether the block that starts at p, of a span that desc describes, is free as far as can be told without its owner. A small
 * block that is free shows it in its first word; but so may one that is not: what a program copies without having written it (the
 * padding of a structure) may be a link that was there before (ripgrep's realloc was refused, in one run of eight). So it only
 * says that the remote bits, what this thread has gathered and its own lists are worth asking, as they are of a medium one; and
 * there its owner, in hardened mode of a small one, too. */
bool alloc_is_free_somewhere(const struct desc *desc, const void *p);
INLINE bool alloc_is_surely_out(const struct desc *desc, const void *p)
{
    return desc->class < NSMALL ? !block_is_sound(p) : remote_is_out(desc, p);
}
INLINE bool alloc_is_free(const struct desc *desc, const void *p)
{
    return !LIKELY(alloc_is_surely_out(desc, p)) && alloc_is_free_somewhere(desc, p);
}

/* Usable bytes of a block that is live as far as can be told: the start of one that has been carved, and not a free one. Of
 * anything else 0, and at once also where that takes more than a look. */
INLINE size_t alloc_size_at_once(const void *p)
{
    if (UNLIKELY(!range_has(p))) return 0;
    const struct desc *desc = range.table + range_index(p);
    if (LIKELY(PEEK(desc->owner) > OWNER_LARGE)) return desc_is_start(desc, p) && alloc_is_surely_out(desc, p) ? desc->size : 0;
    const struct span *large = large_of(p);
    return large ? large->nbytes : 0;
}
INLINE size_t alloc_size_of(const void *p)
{
    size_t size = alloc_size_at_once(p);
    if (LIKELY(size) || !range_has(p)) return size;
    const struct desc *desc = range.table + range_index(p);
    bool is_block = PEEK(desc->owner) > OWNER_LARGE && desc_is_start(desc, p);
    return is_block && !alloc_is_free_somewhere(desc, p) ? desc->size : 0;
}

/* NULL and ENOMEM. */
void *alloc_refuse(void);

/* Tells of a pointer that nobody gave us; returns when on_error lets it. */
void alloc_report_foreign(const char *entry, const void *p);

#endif
