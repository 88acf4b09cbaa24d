/* resize.c - realloc: in place, if the size class allows; large blocks into the neighbour or by moving pages; else by copying. */
#include "../guard/diagnose.h"
#include "../heap/large.h"
#include "alloc.h"
#include "life.h"

#include <string.h>

/* A block is left where it is as long as nearly half of it is used: less would be waste, more copying. Of 1,024 bytes, which the
 * class from 481 on borrows (refill.c), 480 are. With as little as half less 32 bytes python-objects holds 1.11 of this. */
static bool fits(size_t size, size_t usable) { return size <= usable && (size >= usable / 32 * 15 || usable <= 2 * GRANULE); }

/* One that shrinks stays if there is no memory: nobody expects that to fail. */
static void *copy(const char *entry, void *p, size_t size, size_t usable)
{
    void *block = alloc_malloc(size);
    if (!block) return size <= usable ? p : NULL;
    memcpy(block, p, min_size(size, usable));
    alloc_free_as(entry, p);
    return block;
}

static void *grow_large(const char *entry, void *p, size_t size, size_t usable)
{
    void *block = large_alloc(heap_own(), size, usable, 1, &(bool){false});
    if (!block) return copy(entry, p, size, usable);
    memcpy(block, p, usable);
    if (!large_free(p)) alloc_free_as(entry, p); /* what is outgrown is not kept: it is too small the next time, too */
    return block;
}

static SLOW void *resize(const char *entry, void *p, size_t size, size_t usable)
{
    if (UNLIKELY(!usable)) {
        struct evidence evidence = diagnose_inside(p);
        if (evidence.crime == CRIME_DOUBLE) evidence.crime = CRIME_FREED;
        crime_report(entry, &evidence);
        return alloc_refuse();
    }
    if (UNLIKELY(size > PTRDIFF_MAX)) return alloc_refuse();
    life_check();
    struct span *large = min_size(size, usable) > MEDIUM_MAX ? large_of(p) : NULL;
    if (large) {
        void *moved = large_resize(large, size) ? p : large_move(large, size);
        purge_now_and_then(max_size(size, usable) >> SLICE_SHIFT);
        if (moved) return moved;
    }
    return size > usable ? grow_large(entry, p, size, usable) : copy(entry, p, size, usable);
}

static SLOW void *resize_slow(const char *entry, void *p, size_t size, size_t usable)
{
    if (UNLIKELY(!usable)) usable = alloc_size_of(p);
    if (UNLIKELY(!usable || max_size(size, usable) > MEDIUM_MAX)) return resize(entry, p, size, usable);
    return fits(size, usable) ? p : copy(entry, p, size, usable);
}

/* What grows by a byte at a time stays where it is nearly always. */
void *alloc_resize(const char *entry, void *p, size_t size)
{
    size_t usable = alloc_size_at_once(p);
    bool stays = usable <= MEDIUM_MAX ? fits(size, usable) : size <= usable && usable - size < PAGE;
    return LIKELY(stays) ? p : resize_slow(entry, p, size, usable);
}
