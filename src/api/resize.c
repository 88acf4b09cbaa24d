/* resize.c - realloc: where it is, if the size class allows; for large blocks into the neighbour or by moving pages;
 * by copying otherwise. And malloc_usable_size, which asks the same question first: what block is this? */
#include "../guard/diagnose.h"
#include "../heap/large.h"
#include "alloc.h"
#include "life.h"

#include <string.h>

/* Live, as far as can be told: the start of a block that has been carved, and not a free one. */
size_t alloc_size_of(const void *p)
{
    if (!range_has(p)) return 0;
    const struct desc *desc = range.table + range_index(p);
    if (!heap_of_owner(PEEK(desc->owner))) {
        const struct span *large = large_of(p);
        return large ? large->nbytes : 0;
    }
    return !desc_is_start(desc, p) || alloc_is_free(desc, p) ? 0 : desc->size;
}

/* A block is left where it is as long as at least half of it is used: less would be waste, more copying. */
static bool fits(size_t size, size_t usable) { return size <= usable && (size >= usable / 2 || usable <= 2 * GRANULE); }

static void *copy(const char *entry, void *p, size_t size, size_t usable)
{
    bool is_growing = size > usable && size > MEDIUM_MAX;
    life_check();
    void *block = is_growing ? large_alloc_growing(size, usable) : NULL;
    if (!block && !(block = alloc_malloc(size))) return NULL;
    memcpy(block, p, min_size(size, usable));
    enum push pushed = block_push(p);
    if (pushed == PUSH_EVENT) alloc_event(p);
    else if (pushed == PUSH_REFUSED) alloc_free_slow(entry, p);
    return block;
}

void *alloc_resize(const char *entry, void *p, size_t size)
{
    size_t usable = alloc_size_of(p);
    if (UNLIKELY(!usable)) {
        struct evidence evidence = diagnose_inside(p);
        if (evidence.crime == CRIME_DOUBLE) evidence.crime = CRIME_FREED;
        report_crime(entry, &evidence);
        return alloc_refuse();
    }
    if (fits(size, usable) && usable <= MEDIUM_MAX) return p;
    if (UNLIKELY(size > PTRDIFF_MAX)) return alloc_refuse();
    if (usable > MEDIUM_MAX && size > MEDIUM_MAX) {
        life_check();
        bool done = large_resize(p, size);
        void *moved = done ? p : large_move(p, size);
        purge_if_due();
        if (moved) return moved;
    }
    return copy(entry, p, size, usable);
}

void *alloc_realloc(void *p, size_t size)
{
    if (!p) return alloc_malloc(size);
    if (!range_has(p)) {
        alloc_report_foreign("realloc()", p);
        return alloc_refuse();
    }
    if (size) return alloc_resize("realloc()", p, size);
    alloc_free(p);
    return NULL;
}

size_t alloc_usable_size(const void *p) { return alloc_size_of(p); }
