/* trim.c - what is free inside spans that are in use.
 *
 * Blocks that are freed here and there leave their spans in use, and those their pages: of a GiB in blocks of 1 to 32 KiB, nine
 * of ten freed at random, 8.9 times what is live; without the pages on which only free blocks lie, 1.2. Those of medium blocks
 * can go, for nothing is written into one that is free but on no list. Small ones hold their links: those that have a byte on a
 * page which goes leave their list, and all come back before the span is current again; of a GiB in blocks of 16 bytes to 1 KiB 9
 * times what is live, so 5.
 *
 * malloc_trim gives back those of the spans that are available, or medium and current; and who allocates looks at a few spans now
 * and then, and at those whose free blocks are the same as some seconds ago. A heap's blocks are at its thread's disposal at any
 * time, so only that does either. */
#include "../base/bits.h"
#include "../guard/crime.h"
#include "../os/map.h"
#include "../os/options.h"
#include "again.h"
#include "remote.h"

/* In ticks (bits.h): 4 to 8 s, after which the 20 us of page faults that a span costs are nothing; and a quarter to half a
 * millisecond, which is as long as anybody waits. */
static const uint64_t REST = (uint64_t)1 << 34, TURN = (uint64_t)1 << 20;
enum { AT_ONCE = 12 /* lists of medium blocks: a quarter of them */, NPAGES = SLICE_SIZE / PAGE };

static size_t discard(uintptr_t from, uintptr_t to)
{
    if (from >= to || !os_discard((void *)from, to - from)) return 0;
    return huge_forgo(range_index((void *)from)), to - from;
}

/* The pages inside each run of blocks. */
static size_t discard_blocks(const struct span *span, uint64_t bits)
{
    size_t size = span_desc(span)->size, nbytes = 0;
    uintptr_t blocks = (uintptr_t)span_blocks(span);
    while (bits) {
        unsigned first = (unsigned)bits_lowest(bits), end = first;
        for (; end < MEDIUM_CAPACITY && bits >> end & 1; end++) bits ^= (uint64_t)1 << end;
        nbytes += discard(round_up(blocks + first * size, PAGE), (blocks + end * size) / PAGE * PAGE);
    }
    return nbytes;
}

/* With the blocks out of reach meanwhile. */
static size_t trim_medium(struct heap *heap, const struct span *span)
{
    struct pair *pair = span_desc(span)->pair;
    uint64_t bits = pair->bits;
    heap_enter(heap);
    pair_set_bits(pair, 0);
    size_t nbytes = discard_blocks(span, bits);
    pair_set_bits(pair, pair->bits | bits);
    heap_leave(heap);
    return nbytes;
}

static unsigned pages_of(const struct span *span, const struct block *block)
{
    return span_pages_of(span_desc(span)->class, desc_index(span_desc(span), block));
}

static unsigned count(unsigned *nfree, unsigned pages)
{
    for (unsigned left = pages; left; left &= left - 1) nfree[bits_lowest(left)]++;
    return pages;
}

/* Pages of whose blocks all are free, and on the span's own list or gone. None if these are not exactly what has been freed. */
static unsigned free_pages(const struct span *span)
{
    const struct desc *desc = span_desc(span);
    unsigned nfree[NPAGES] = {0}, pages = 0, last = span->capacity - 1, size = desc->size;
    uint64_t weight = 0;
    for (unsigned k = 0; span->gone && k <= last; k++)
        if (span_pages_of(desc->class, k) & span->gone)
            count(nfree, span_pages_of(desc->class, k)), weight += desc->start + k * size;
    for (const struct block *block = span->pair.head; block; block = block_next(block)) {
        if (!desc_is_start(desc, block) || !block_is_sound(block) || weight > heap_due(span)) return 0;
        if (count(nfree, pages_of(span, block)) & span->gone) return 0; /* freed a second time */
        weight += (uintptr_t)block;
    }
    if (weight != heap_due(span) - span->pair.due) return 0;
    for (unsigned page = 0; page < NPAGES && page * PAGE / size <= last; page++)
        if (nfree[page] == min_size(last, ((page + 1) * PAGE - 1) / size) - page * PAGE / size + 1) pages |= 1U << page;
    return pages;
}

/* Attached it is no longer: the class's list would hand out what is freed a second time before anybody looks. */
static size_t trim_small(struct heap *heap, struct span *span)
{
    unsigned pages = options.mode == MODE_HARDENED ? 0 : free_pages(span) & ~(unsigned)span->gone;
    struct block *list = span->pair.head, *block;
    size_t nbytes = 0;
    if (!pages || heap_find_listed(heap, span)) return 0; /* or of that some would be free in two places */
    heap_enter(heap), span->pair.head = NULL;
    span_repoint(span, &span->pair);
    while ((block = heap_pop_listed(&list, "free()")) != NULL)
        if (!(pages_of(span, block) & pages)) block_put(&span->pair.head, block);
    for (unsigned left = pages, first, end; left; left &= ~0U << end) {
        first = (unsigned)bits_lowest(left), end = first + (unsigned)bits_lowest(~(left >> first));
        nbytes += discard((uintptr_t)span_address(span) + first * PAGE, (uintptr_t)span_address(span) + end * PAGE);
    }
    __atomic_store_n(&span->gone, (uint16_t)(span->gone | pages), __ATOMIC_RELAXED);
    heap_leave(heap);
    return nbytes;
}

struct block *heap_find_gone(const struct span *span)
{
    struct block *block = span->gone ? span->pair.head : NULL;
    for (unsigned left = span->capacity; left-- && block; block = block_after(block)) /* it may go round */
        if (pages_of(span, block) & span->gone) return block;
    return NULL;
}

/* What was freed twice meanwhile is on the list; what was written to reads no zero. */
void heap_bring_back(struct span *span)
{
    const struct desc *desc = span_desc(span);
    struct block *twice = heap_find_gone(span);
    if (UNLIKELY(twice))
        crime_report("free()", &(struct evidence){CRIME_DOUBLE, twice, twice, desc->size}), span->pair.head = NULL;
    for (unsigned k = span->capacity; k--;) {
        struct block *block = (struct block *)(void *)(span_blocks(span) + k * desc->size);
        if (!(span_pages_of(desc->class, k) & span->gone)) continue;
        if (UNLIKELY(block->link)) crime_report("malloc()", &(struct evidence){CRIME_OVERWRITTEN, block, block, desc->size});
        else block_put(&span->pair.head, block);
    }
    __atomic_store_n(&span->gone, 0, __ATOMIC_RELAXED);
}

static size_t trim(struct heap *heap, struct span *span)
{
    return span_is_small(span) ? trim_small(heap, span) : trim_medium(heap, span);
}

static size_t trim_heap(struct heap *heap)
{
    size_t nbytes = 0;
    atomic_store(&heap->is_untrimmed, false); /* before anything is taken in, as below */
    heap_drain(heap, true);
    for (unsigned class = 0; class < NCLASSES; class ++) {
        if (class >= NSMALL && heap->current[class]) nbytes += trim_medium(heap, heap->current[class]);
        list_for_each (node, &heap->available[class]) nbytes += trim(heap, container_of(node, struct span, node));
    }
    return nbytes;
}

/* One that is owned and has one of these states stays so until its owner, who calls, changes it. */
static bool is_trimmed_by(const struct heap *heap, const struct span *span)
{
    enum span_state state = span_state(span);
    uintptr_t owner = PEEK(span_desc(span)->owner);
    return heap_of_owner(owner) == heap && (state == SPAN_AVAILABLE || (state == SPAN_CURRENT && owner & OWNER_MEDIUM));
}

/* Less is not worth a huge page, or a walk over a list. */
static bool is_worth_it(const struct span *span)
{
    if (span_is_small(span)) return span->pair.due / heap_unit(span) <= 2 * NPAGES;
    return (unsigned)__builtin_popcountl(span_desc(span)->pair->bits) >= span->capacity / 4;
}

static void look(struct heap *heap, struct span *span, uint64_t now)
{
    uint64_t free = span_is_small(span) ? span->pair.due : span_desc(span)->pair->bits;
    if (free != span->seen) span->seen = free, span->seen_since = now;
    else if (span->seen_since && (int64_t)(now - span->seen_since) > (int64_t)REST) {
        span->seen_since = 0; /* until something comes or goes */
        if (is_worth_it(span)) trim(heap, span);
    }
}

/* A turn of a round over a heap's spans: what others have freed of those in line comes back, and the pages of what rests go, or
 * of all that is free. True: the round is over. */
static bool walk(struct heap *heap, uint64_t start, bool at_once)
{
    size_t at = heap->patrol_at;
    heap_enter(heap);
    bool has_collected = heap_collect_woken(heap, WOKEN_FEW);
    heap_leave(heap);
    for (uint64_t now = start; at < range_limit() && now - start < TURN; now = bits_ticks()) {
        struct span *span = range.records + at;
        at += max_size(span_nslices(span), 1);
        bool has_come = is_trimmed_by(heap, span) && span_state(span) == SPAN_AVAILABLE && remote_has(remote_load(span));
        if (has_come) heap_enter(heap), heap_take_in_line(span), heap_leave(heap); /* and perhaps it goes */
        if (is_trimmed_by(heap, span)) at_once ? (void)trim(heap, span) : look(heap, span, start);
    }
    heap->patrol_at = at < range_limit() ? (uint32_t)at : 0;
    return heap->patrol_at == 0 && has_collected;
}

/* Of a heap that rests in the pool. */
static bool trim_some(struct heap *heap, uint64_t start)
{
    atomic_store(&heap->is_untrimmed, false);
    heap_enter(heap);
    if (!heap->patrol_at) heap_shed(heap, true);
    heap_leave(heap);
    bool is_over = walk(heap, start, true);
    if (!is_over) atomic_store(&heap->is_untrimmed, true);
    return is_over;
}

/* Few at a time are out of the pools, or a thread that begins might find none, and make one more. Those on top may be in use all
 * the time. */
size_t heap_trim_pooled(uint64_t rest, bool all)
{
    enum { NOUT = 4 };
    struct heap *heap, *out[NOUT];
    unsigned nout = 0;
    size_t nbytes = 0, n = heap_count();
    uint64_t start = bits_ticks();
    uint32_t seen = heap_pooled_now();
    /* malloc_trim's caller may wait, and the helper */
    bool again = atomic_exchange(&heaps_untrimmed, false) || all, may_wait = rest < REST;
    for (size_t left = n; again && left && (heap = heap_unpool(POOL_TRIMMED)) != NULL; left--) heap_pool(heap, POOL_LEFT);
    for (; n && nout < NOUT && (may_wait || bits_ticks() - start < TURN) && (heap = heap_unpool(POOL_LEFT)) != NULL; n--) {
        if (!heap->pooled_since) heap->pooled_since = seen;
        bool rests = !rest || (int32_t)(seen - heap->pooled_since) >= (int32_t)(rest / POOLED_UNIT + 1),
             is_over = !all && !atomic_load(&heap->is_untrimmed);
        if (!is_over && rests && may_wait) nbytes += trim_heap(heap), is_over = true;
        else if (!is_over && rests) is_over = trim_some(heap, start);
        if (is_over || rests) heap_pool(heap, is_over ? POOL_TRIMMED : POOL_LEFT);
        else out[nout++] = heap;
    }
    while (nout) heap_pool(out[--nout], POOL_LEFT);
    return nbytes;
}

size_t heap_trim(struct heap *heap) { return (heap ? trim_heap(heap) : 0) + heap_trim_pooled(0, true); }

/* A sixteenth of the time at most, and at the end of a round none for a quarter of REST. */
void heap_patrol(struct heap *heap)
{
    uint64_t start = bits_ticks();
    for (unsigned k = 0; k < AT_ONCE; k++)
        heap_look_at_list(heap, NSMALL + (heap->nslow / PATROL_ROADS * AT_ONCE + k) % (NCLASSES - NSMALL), false);
    purge_if_due();
    if (heap->patrol_due - start < REST) return;
    bool is_over = walk(heap, start, false);
    uint64_t now = bits_ticks();
    if (is_over) heap_trim_pooled(REST, false), is_over = bits_ticks() - now < TURN, again_look(heap), purge_if_due();
    now = bits_ticks();
    heap->patrol_due = now + (is_over ? REST / 4 : 16 * (now - start));
}
