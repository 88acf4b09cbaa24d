#include "large.h"
#include "again.h"
#include "../base/bits.h"
#include "../os/map.h"
#include "../os/options.h"

/* From here pages are moved: cheaper than a copy from some 512 KiB on, but into fresh memory, where a copy finds some that is
 * resident. */
static const size_t MOVE_MIN = 2 * MIB;

/* What cannot be moved is copied; from here into fresh memory and page by page, so that it is never there twice. Below, into
 * memory that is likely to be resident already. */
static const size_t CARRY_MIN = 64 * MIB;

static size_t slices_for(size_t nbytes) { return (nbytes + SLICE_SIZE - 1) >> SLICE_SHIFT; }
static size_t pages_for(size_t size) { return round_up(max_size(size, 1), PAGE); }

/* Bytes from the start of a span to a block of `size`: it may begin at any cache line of two pages if it has more than 128 KiB;
 * else where it needs no page more. Rows that all begin at whole slices meet in one set of each cache (figures: ../README.md). */
INLINE size_t offset_for(const struct span *span, size_t size, size_t alignment)
{
    if (UNLIKELY(alignment > CACHE_LINE)) return 0;
    size_t nbytes = pages_for(size), room = (span_nslices(span) << SLICE_SHIFT) - nbytes;
    size_t most = min_size(room, nbytes > 2 * SLICE_SIZE ? 2 * PAGE - CACHE_LINE : nbytes - size) / CACHE_LINE;
    return bits_spread(span_index(span), most + 1) * CACHE_LINE;
}

INLINE void *publish(struct span *span, size_t offset, size_t nbytes, struct heap *home)
{
    char *block = span_address(span) + offset;
    struct desc *desc = span_desc(span);
    __atomic_store_n(&span->nbytes, nbytes, __ATOMIC_RELAXED);
    span->home = home;
    __atomic_store_n(&desc->start, (uintptr_t)block, __ATOMIC_RELAXED);
    __atomic_store_n(&desc->owner, OWNER_LARGE, __ATOMIC_RELEASE);
    return block;
}

/* Whoever turns the owner to nobody frees the block: of two threads that free it at once, one. */
static bool claim(struct span *span)
{
    uintptr_t expected = OWNER_LARGE;
    return __atomic_compare_exchange_n(&span_desc(span)->owner, &expected, OWNER_NONE, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

static size_t offset_of(const struct span *span) { return (size_t)(span_blocks(span) - span_address(span)); }
static void give(struct span *span) { span_give(span, span_nslices(span)); }
static void drop(struct span *span)
{
    size_t nslices = span_nslices(span);
    limit_refund(limit_charge_of(span));
    give(span);
    purge_now_and_then(nslices);
}

/* What a heap keeps: a large block that is freed is often wanted again, of just that size and where it came from, as a buffer is,
 * or an array that is the result of a line (figures: ../README.md). Here is what others have freed of a thread that takes such
 * blocks while they do not, and what is too large for again.h. Who wants anything else of the page level gives it back first. It
 * is no more than a heap's share of dirty= (heap_share), but for what two put there at once, and nothing under a limit, which
 * does not charge what is free. */
static _Atomic(struct span *) *place_to_keep(struct heap *heap, size_t nslices)
{
    _Atomic(struct span *) *place = NULL;
    if (!heap || atomic_load_explicit(&heap->state, memory_order_relaxed) != HEAP_OWNED) return NULL;
    for (unsigned i = 0; i < KEPT_PLACES; i++) {
        const struct span *kept = atomic_load_explicit(&heap->kept[i], memory_order_relaxed);
        if (kept) nslices += span_nslices(kept);
        else place = &heap->kept[i];
    }
    return nslices <= heap_kept_most() ? place : NULL;
}

bool large_keep(struct span *span)
{
    if (!claim(span)) return false; /* before that the record may be that of a span of blocks, and has no home */
    struct span *other = NULL;
    struct heap *own = heap_own();
    size_t nslices = span_nslices(span);
    bool is_own = own && span->home == own; /* who takes such itself has a use for others', too */
    if (own && (is_own || own->again.is_used) && again_has_room(own, nslices)) return again_put(own, span, nslices), true;
    _Atomic(struct span *) *place = is_own && nslices <= AGAIN_SLICES ? NULL : place_to_keep(span->home, nslices);
    /* realloc knows better where to: bench_vector step would hold 1.16 */
    if (!place) return drop(span), purge_outgrown(nslices), true;
    span_set_state(span, SPAN_KEPT);
    if (UNLIKELY(!atomic_compare_exchange_strong(place, &other, span))) give(span); /* a thread or a signal handler was first */
    return true;
}

static struct span *taken(struct span *span, size_t nslices)
{
    if (LIKELY(span_nslices(span) == nslices)) return span_set_state(span, SPAN_LARGE), span;
    give(span); /* a signal handler has taken it, cut it, and freed it */
    return NULL;
}

INLINE struct span *take_again(struct heap *heap, size_t nslices)
{
    struct span *span = again_pop(heap, nslices);
    if (!span) span = again_pop_larger(heap, nslices);
    if (span) span_set(span, SPAN_LARGE, span_nslices(span)), heap->again.is_used = true;
    return span;
}

static struct span *take_kept(struct heap *heap, size_t nslices)
{
    struct span *found = take_again(heap, nslices);
    for (unsigned i = 0; i < KEPT_PLACES && !found; i++) {
        struct span *span = atomic_load_explicit(&heap->kept[i], memory_order_relaxed);
        if (!span || span_nslices(span) != nslices || !atomic_compare_exchange_strong(&heap->kept[i], &span, NULL)) continue;
        found = taken(span, nslices);
    }
    return found;
}

/* Who finds all that it wants there comes by nowhere else, where what it no longer wants would be seen. */
static void *publish_kept(struct span *span, size_t size, size_t alignment, struct heap *heap)
{
    void *block = publish(span, offset_for(span, size, alignment), pages_for(size), heap);
    if (UNLIKELY(++heap->nslow % (16 * PATROL_ROADS) == 0)) heap_patrol(heap);
    return block;
}

void *large_again(struct heap *heap, size_t size)
{
    struct span *span = take_again(heap, slices_for(size));
    return span ? publish_kept(span, size, GRANULE, heap) : NULL;
}

/* What a heap keeps where any thread may look: linked by woken_next, for it is on no stack. */
static struct span *take_shared(struct heap *heap)
{
    struct span *all = NULL;
    for (unsigned i = KEPT_PLACES; i--;) {
        struct span *span = atomic_load_explicit(&heap->kept[i], memory_order_relaxed);
        if (span && (span = atomic_exchange(&heap->kept[i], NULL)) != NULL) span->woken_next = all, all = span;
    }
    return all;
}

void large_give_kept(struct heap *heap)
{
    if (heap) span_give_all(again_take_all(heap, take_shared(heap)));
}

void large_give_all_kept(void)
{
    for (size_t i = 0; heap_at(i); i++) span_give_all(take_shared(heap_at(i)));
}

/* For `size` bytes of a block that had `before`, 0 of a new one; all that was `kept` is given first, even if there is none. Who
 * grows by less than a quarter will do so again, and gets room to: a quarter of what it has, and up to a megabyte more, not
 * touched meanwhile. So every byte is copied a few times, not once a step. Who doubles would only have more than it needs.
 * (Figures: ../README.md.) */
static struct span *take_growing(struct span *kept, size_t size, size_t before, size_t alignment, enum span_want want)
{
    size_t nslices = slices_for(size), quarter = nslices / 4, room = quarter + min_size(quarter, MIB / SLICE_SIZE);
    bool will_grow = size - before < before / 4;
    struct span *span = span_give_and_take(kept, will_grow ? nslices + room : nslices, alignment, SPAN_LARGE, want);
    return span || !will_grow ? span : span_take(nslices, alignment, SPAN_LARGE, want);
}

void *large_alloc(struct heap *heap, size_t size, size_t before, size_t alignment, bool *is_zero)
{
    size_t nbytes = pages_for(size), nslices = slices_for(nbytes);
    bool is_plain = heap && !before && alignment <= SLICE_SIZE;
    struct span *span = is_plain ? take_kept(heap, nslices) : NULL;
    if (span) return publish_kept(span, size, alignment, heap);
    if (!limit_charge(nbytes, true)) return NULL; /* under a limit nothing is kept */
    struct span *given = heap ? take_shared(heap) : NULL;
    if (is_plain) span = again_instead(heap, nslices, SPAN_LARGE, &given), heap->again.is_used |= nslices <= AGAIN_SLICES;
    struct span *kept = span || !heap ? NULL : again_take_all(heap, given);
    if (!span) span = take_growing(kept, nbytes, before, max_size(alignment >> SLICE_SHIFT, 1), WANT_DIRTY);
    if (!span) return limit_refund(nbytes), NULL;
    *is_zero = span->is_clean;
    purge_in_exchange(span_nslices(span) - span->ndirty);
    uintptr_t start = (uintptr_t)span_address(span);
    if (!before && *is_zero) huge_populate(start, start + nbytes);
    /* realloc is about to copy `before` bytes into it: drawn-12 0.85 of the time */
    if (before && *is_zero && huge_may_populate(span_index(span), true))
        os_populate(start, start + min_size(round_up(min_size(before, nbytes), PAGE), MOVE_MIN));
    return publish(span, offset_for(span, size, alignment), nbytes, heap);
}

/* Whether few of some pages have been touched: the first read of one that has not is a page fault. (mincore would tell of all at
 * once; but a sandbox that kills who calls what it does not know may be around.) Of a huge page only the very first read is
 * one. */
static bool is_sparse(const char *from, size_t npages)
{
    enum { NLOOKS = 16, FAULT = 500 /* ticks, a quarter of a microsecond: the least that one takes */ };
    unsigned nfaults = 0;
    bool is_first = false;
    for (size_t i = 0; i < NLOOKS && npages >= 2 * NLOOKS; i++) {
        uint64_t start = bits_ticks();
        (void)*(const volatile char *)(from + (i * npages + i * 5 % NLOOKS * npages / NLOOKS) / NLOOKS * PAGE);
        bool is_fault = bits_ticks() - start > FAULT;
        nfaults += is_fault;
        if (i == 0) is_first = is_fault;
    }
    return nfaults >= NLOOKS - NLOOKS / 8 || (is_first && nfaults == 1);
}

/* What has been touched little goes back: a sparse array stays one, whoever has had its place. (Figures: ../README.md.) */
void large_zero(void *block, size_t size)
{
    char *at = (char *)round_up((uintptr_t)block, PAGE), *end = (char *)block + size;
    __builtin_memset(block, 0, (size_t)(at - (char *)block));
    for (size_t n; at < end; at += n) {
        n = min_size(2 * MIB - ((uintptr_t)at & (2 * MIB - 1)), (size_t)(end - at));
        size_t npages = (n + PAGE - 1) / PAGE;
        if (!is_sparse(at, npages) || !os_discard(at, npages * PAGE)) __builtin_memset(at, 0, n);
    }
}

bool large_free(void *block)
{
    struct span *span = large_of(block);
    return span && claim(span) && (drop(span), true);
}

bool large_resize(struct span *span, size_t size)
{
    size_t nbytes = pages_for(size), want = slices_for(offset_of(span) + nbytes), have = span_nslices(span);
    size_t more = nbytes - min_size(nbytes, span->nbytes);
    if (want > have) large_give_kept(heap_own());
    if (more && !limit_charge(more, true)) return false;
    if (want > have && !span_extend(span, want)) return limit_refund(more), false;
    size_t tail = nbytes < span->nbytes ? have - want : 0; /* a little is kept: growing again is common */
    if (tail && (tail >= have / 4 || tail >= MIB / SLICE_SIZE || options.limit.hard)) span_cut(span, want);
    limit_refund(span->nbytes - min_size(span->nbytes, nbytes));
    __atomic_store_n(&span->nbytes, nbytes, __ATOMIC_RELAXED);
    return true;
}

static bool is_zeroed(const uint64_t *page)
{
    uint64_t any = 0;
    for (unsigned i = 0; i < PAGE / sizeof any; i++) any |= page[i];
    return any == 0;
}

/* Copies pages that are not zero into memory that is, and gives back what has been copied, 2 MiB at a time: never twice resident.
 * Right also where a move has come half-way, for what it has moved reads zero at the old place. */
static void carry_over(char *from, char *to, size_t length)
{
    for (size_t at = 0, step; at < length; at += step) {
        step = min_size(length - at, 2 * MIB);
        for (size_t page = at; page < at + step; page += PAGE)
            if (!is_zeroed((void *)(from + page))) __builtin_memcpy(to + page, from + page, PAGE);
        os_discard(from + at, step);
    }
}

/* A move that was refused has left a place that cannot be had back: what has come there returns. */
static void carry_back(struct span *from, struct span *to, size_t length)
{
    for (size_t at = 0; at < length; at += PAGE)
        if (os_is_mapped(span_address(to) + at, PAGE) && !is_zeroed((void *)(span_address(to) + at)))
            __builtin_memcpy(span_address(from) + at, span_address(to) + at, PAGE);
    span_lose(to);
}

/* A range that was moved before is several mappings, which Linux moves together since 6.17: tried until it has been refused
 * once. */
void *large_move(struct span *from, size_t size)
{
    static _Atomic(bool) moves_one_only;
    size_t nbytes = pages_for(size), length = min_size(from->nbytes, nbytes), offset = offset_of(from);
    bool may_move = options.mremap && seam_may_be_put() && !(PEEK(from->nmoved) && moves_one_only);
    if (length < (may_move ? MOVE_MIN : CARRY_MIN) || !limit_charge(nbytes - length, true)) return NULL;
    struct span *to = take_growing(NULL, offset + nbytes, from->nbytes, 1, WANT_CLEAN);
    if (!to || !to->is_clean) {
        if (to) give(to);
        return limit_refund(nbytes - length), NULL;
    }
    size_t moved = round_up(offset + length, PAGE);
    if (may_move && os_move(span_address(from), span_address(to), moved)) {
        seam_move(span_index(from), span_index(to), slices_for(moved));
    } else if (may_move && !seam_mend(span_index(to), slices_for(moved))) {
        return carry_back(from, to, moved), limit_refund(nbytes - length), NULL;
    } else {
        moves_one_only |= may_move && PEEK(from->nmoved);
        carry_over(span_address(from), span_address(to), moved);
    }
    claim(from);
    if (seam_replace(span_index(from), span_nslices(from))) span_give_clean(from);
    else give(from);
    return publish(to, offset, nbytes, heap_own());
}
