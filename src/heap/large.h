/* large.h - blocks over 32 KiB, and those aligned to more than a page: a span each.
 *
 * Usable size is rounded to 4 KiB, the span to slices, and more of them where it has grown by small steps: the tail is never touched. Only the first desc is written (its
 * owner is OWNER_LARGE); the others are blank, so an interior pointer is nobody's. Any thread; the page level's lock
 * is taken inside. */
#ifndef MSPACE_LARGE_H
#define MSPACE_LARGE_H

#include "../span/span.h"

/* size at most PTRDIFF_MAX, alignment a power of two. NULL: out of memory. */
void *large_alloc(size_t size, size_t alignment, bool *is_zero);

/* A block of `size` for one of `before`, less than that, which has outgrown its place. NULL: out of memory. */
void *large_alloc_growing(size_t size, size_t before);

/* False: not the start of a live large block (or another thread was first). */
bool large_free(void *block);

/* Resizes without moving, or returns false and changes nothing. */
bool large_resize(void *block, size_t size);

/* Resizes by moving pages, or a big block by copying a little at a time, so that it is never resident twice. NULL: not possible here
 * and now, and nothing has changed. */
void *large_move(void *block, size_t size);

/* The span of a live large block that starts at p, else NULL. */
struct span *large_of(const void *p);

#endif
