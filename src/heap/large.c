#include "large.h"
#include "../os/map.h"
#include "../os/options.h"

/* From here moving pages is cheaper than copying into resident memory: 256 KiB 5.4 us against 2.2, 1 MiB 7.7
 * against 19.7 (design measurements). */
static const size_t MOVE_MIN = 1 * MIB;

static size_t slices_for(size_t nbytes) { return (nbytes + SLICE_SIZE - 1) >> SLICE_SHIFT; }
static size_t pages_for(size_t size) { return round_up(max_size(size, 1), PAGE); }

static void *publish(struct span *span, size_t nbytes)
{
    struct desc *desc = span_desc(span);
    span->nbytes = nbytes;
    desc->start = (uintptr_t)span_address(span);
    __atomic_store_n(&desc->owner, OWNER_LARGE, __ATOMIC_RELEASE);
    return span_address(span);
}

void *large_alloc(size_t size, size_t alignment, bool *is_zero)
{
    size_t nbytes = pages_for(size);
    struct span *span = span_take(slices_for(nbytes), max_size(alignment >> SLICE_SHIFT, 1), SPAN_LARGE, false);
    if (!span) return NULL;
    *is_zero = span->is_clean;
    return publish(span, nbytes);
}

/* For `size` bytes of a block that had `before`. Who grows by less than a quarter will do so again, and gets room to: a quarter of
 * what it has, and up to a megabyte more, not touched meanwhile. So every byte is copied a few times, not once a step: bench_vector
 * step (64 KiB more each time, to 4 MiB) 8.3 us an op without, 3.4 with (jemalloc 3.1), at 5 % more peak. Who doubles would only
 * have more than it needs: with room for everybody bench_vector double holds 23 % more. */
static struct span *take_growing(size_t size, size_t before, bool want_clean)
{
    size_t nslices = slices_for(size), quarter = nslices / 4, room = quarter + min_size(quarter, MIB / SLICE_SIZE);
    struct span *span = size - before < before / 4 ? span_take(nslices + room, 1, SPAN_LARGE, want_clean) : NULL;
    return span ? span : span_take(nslices, 1, SPAN_LARGE, want_clean);
}

void *large_alloc_growing(size_t size, size_t before)
{
    size_t nbytes = pages_for(size);
    struct span *span = take_growing(nbytes, before, false);
    return span ? publish(span, nbytes) : NULL;
}

struct span *large_of(const void *p)
{
    if (!range_has(p) || ((uintptr_t)p & (SLICE_SIZE - 1))) return NULL;
    return PEEK(range.table[range_index(p)].owner) == OWNER_LARGE ? range.records + range_index(p) : NULL;
}

/* Whoever turns the owner to nobody frees the block: of two threads that free it at once, one. */
static bool claim(struct span *span)
{
    uintptr_t expected = OWNER_LARGE;
    return __atomic_compare_exchange_n(&span_desc(span)->owner, &expected, OWNER_NONE, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

bool large_free(void *block)
{
    struct span *span = large_of(block);
    if (!span || !claim(span)) return false;
    span_give(span, span_nslices(span));
    return true;
}

bool large_resize(void *block, size_t size)
{
    struct span *span = large_of(block);
    size_t nbytes = pages_for(size), want = slices_for(nbytes), have = span_nslices(span);
    bool is_clean;
    if (want > have && !span_extend(span, want, &is_clean)) return false;
    if (want < have && want <= have / 2) span_cut(span, want); /* less keeps its tail: growing again is common */
    span->nbytes = nbytes;
    return true;
}

/* Moved ranges keep a mapping of their own: 32, and 32 more for each GiB of heap, out of the system's 65530. */
static bool may_move(void)
{
    size_t live = __atomic_load_n(&spans.totals.live, __ATOMIC_RELAXED) << SLICE_SHIFT;
    return options.mremap && __atomic_load_n(&spans.totals.moved, __ATOMIC_RELAXED) < 32 + 32 * (live / GIB);
}

static void count_move(struct span *to)
{
    lock_take(&spans.lock);
    span_add_total(&spans.totals.moved, 1);
    to->nmoved++;
    lock_drop(&spans.lock);
}

void *large_move(void *block, size_t size)
{
    struct span *from = large_of(block);
    size_t nbytes = pages_for(size), length = min_size(from->nbytes, nbytes);
    /* A range that was moved or grown over a seam is several mappings, and the kernel moves one at a time. */
    if (length < MOVE_MIN || from->nmoved || !may_move()) return NULL;
    struct span *to = take_growing(nbytes, from->nbytes, true);
    if (!to) return NULL;
    if (!os_move(span_address(from), span_address(to), length)) {
        span_give(to, to->is_clean ? 0 : span_nslices(to));
        return NULL;
    }
    count_move(to);
    claim(from);
    span_give(from, span_nslices(from));
    return publish(to, nbytes);
}
