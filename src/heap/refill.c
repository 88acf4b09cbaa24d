/* refill.c - the ladder: where a heap finds blocks of a class when its pair is empty; the way back is in event.c.
 *
 *      malloc ---- block_pop ---- the list of the class                                 (block.h, the fast path)
 *      heap_refill
 *        young     from the shared heap, the first blocks of a class: 100 idle threads do not cost a page a class each
 *        borrowed  the next blocks of a class, from that of the next power of two
 *        remote    what other threads have freed into the current span
 *        attach    what is free in another small span, if it is the only one available
 *        carve     blocks of the current span that never were blocks
 *        available a span that has been current before and has had frees since
 *        woken     spans that other threads' frees made worth a look
 *        adopt     a span of a thread that is gone, the last that went
 *        claim     a medium span of the shared heap's
 *        fresh     a span from the page level
 *
 * Law: every span but a current one is carved whole. */
#include "../guard/crime.h"
#include "../guard/fill.h"
#include "../os/map.h"
#include "../os/options.h"
#include "again.h"
#include "large.h"
#include "remote.h"

enum {
    /* bytes: one page, so that a class used twice costs one fault; 16 KiB, by faults, gained nothing and held 9 % more */
    CARVE = 4 << 10,
    CARVE_USED = 16 << 10, /* of a span that was in use before, which costs none: bench_bulk -8 %, and no more with all 64; */
    CARVE_LEAST = 64,      /* but so many small blocks: 300 of 960 bytes filled and dropped 0.82 of the time */
    MANY = 8,              /* spans of a class that its heap has taken, from which on a clean one's pages come by as many bytes */
    PICK = 4,              /* available small spans looked at for the best */
    /* free blocks of a small span, at most a quarter of it, for which it is not worth being current (figures: ../README.md) */
    FEW = 10,
    OF_LATE = 1 << 16, /* blocks after which it is seen anew whether the thread shares them: some milliseconds */
    /* the number of the first heap that begins a small class in clean memory: a fourth thread's (figures: ../README.md) */
    THRIFTY = 4,
    /* spans looked for, small ones twice, after which the net is drawn: remote frees that crossed no threshold */
    NET_EVERY = 16,
};

/* Links [from, from + n blocks) in address order before `next`, the first on top. */
static struct block *link_run(char *from, unsigned n, size_t size, struct block *next)
{
    for (char *at = from + (size_t)n * size; at != from; next = (struct block *)(void *)at) {
        at -= size;
        block_link((struct block *)(void *)at, next);
    }
    return next;
}

/* The same of a span's first blocks, beginning inside: at 16 places of a page, by class. The first are what a small program uses
 * over and over, and those of all classes would meet in the same sets of the first-level cache: bench_bignum, 8 classes, 0.95 of
 * the time on Zen 3. */
static struct block *link_first(char *from, unsigned n, size_t size, unsigned class)
{
    unsigned nbefore = n * (class * 5 % 16) / 16;
    return link_run(from + nbefore * size, n - nbefore, size, link_run(from, nbefore, size, NULL));
}

/* Whether the next pages of a clean span are made before they are written to: of a class that grows, whose blocks have a page at
 * most, so that each page has one. Four page faults are twice the price of a system call for four pages, and of what the heap has
 * taken of the class four are a 32nd at most (figures: ../README.md). Of medium blocks, in which nothing is written as they are
 * carved, only where pages are dear. Not under the shared heap's lock. */
static bool shall_populate(const struct heap *heap, const struct span *span)
{
    unsigned class = span_desc(span)->class;
    bool grows = heap->nfirst[class] >= heap_nfirst(class) + MANY && class_table[class].size <= PAGE + PAGE / 8;
    return span->is_clean && grows && !heap_is_shared(heap) && huge_may_populate(span_index(span), class < NSMALL);
}

/* How many blocks are made next of what never was blocks. Of a page and more one by one, if they may read zero and are few:
 * calloc need not touch them. Medium ones of a span used before all at once, for nothing is written into them: a thread that
 * fills and drops 4 MB over and over 0.8 of the time. A limit counts what has been carved. */
static unsigned batch(const struct heap *heap, const struct span *span)
{
    const struct desc *desc = span_desc(span);
    size_t least = options.limit.hard ? 0 : desc->class < NSMALL ? CARVE_LEAST * desc->size : SIZE_MAX;
    size_t nbytes = shall_populate(heap, span) ? CARVE_USED : span->is_clean ? CARVE : max_size(CARVE_USED, least);
    return (unsigned)min_size(span->capacity - desc->carved, max_size(1, nbytes / desc->size));
}

/* Blocks of the current span that never were blocks; those that the limit does not allow never will be. *is_zero: they read
 * zero. */
static bool carve(struct heap *heap, struct span *span, bool *is_zero)
{
    const struct desc *desc = span_desc(span);
    unsigned done = desc->carved;
    if (done == span->capacity) return false;
    unsigned n = batch(heap, span);
    if (done && UNLIKELY(!limit_charge((size_t)n * desc->size, false))) /* fresh() has charged the first */
        return __atomic_store_n(&span->capacity, done, __ATOMIC_RELAXED), false;
    struct pair *pair = heap_pair(heap, desc->class);
    char *from = span_blocks(span) + (size_t)done * desc->size;
    if (shall_populate(heap, span)) os_populate((uintptr_t)from, (uintptr_t)from + (size_t)n * desc->size);
    else if (span->is_clean && desc->size > PAGE && !heap_is_shared(heap))
        huge_populate((uintptr_t)from, (uintptr_t)from + (size_t)n * desc->size);
    if (desc->class < NSMALL && UNLIKELY(options.mode == MODE_HARDENED)) /* blocks begin as free leaves them */
        for (unsigned k = 0; k < n; k++) fill_free(from + (size_t)k * desc->size, desc->size);
    if (desc->class < NSMALL)
        pair->head = done ? link_run(from, n, desc->size, NULL) : link_first(from, n, desc->size, desc->class);
    else pair_set_bits(pair, ~(uint64_t)0 >> (64 - n) << done);
    *is_zero = span->is_clean && desc->class >= NSMALL;
    span_carve(span, done + n);
    heap->nhad += n;
    return true;
}

/* Makes that the span's pair. Whoever looks at another thread's (remote_is_free_at_owner) sees by nturns that it changes;
 * what is stored in between is stored with release. */
INLINE void turn(struct heap *heap, struct span *span, struct pair *pair, uint64_t bits, uint64_t due)
{
    uint32_t n = atomic_load_explicit(&heap->nturns, memory_order_relaxed);
    atomic_store_explicit(&heap->nturns, n + 1, memory_order_release);
    pair_set(pair, bits, due);
    span_repoint(span, pair);
    atomic_store_explicit(&heap->nturns, n + 2, memory_order_release);
}

/* The span's pair becomes the heap's, and frees go there from now on. */
static void make_current(struct heap *heap, struct span *span, unsigned class)
{
    struct pair *pair = heap_pair(heap, class);
    uint64_t all = heap_due(span), out = span->pair.due; /* more if nothing is out */
    if (out < all) heap->nhad += (uint32_t)((all - out) / heap_unit(span));
    __atomic_store_n(&heap->current[class], span, __ATOMIC_RELAXED);
    turn(heap, span, pair, span->pair.bits, heap_due_while_current(heap, span));
    if (class < NSMALL) span->pair.head = NULL, span->seen = 0; /* from now on what waits is there (review() in listed.c) */
    span_set_state(span, SPAN_CURRENT);
}

/* A word of bits at a time: what is linked is soon handed out, and warm. The sweep over the words begins when there is something,
 * and must come to its end before the span is let go. */
static bool refill_remote(struct heap *heap, struct span *span, unsigned class)
{
    struct pair *pair = heap_pair(heap, class);
    unsigned nwords = remote_nwords(span);
    if (class < NSMALL && !pair->head) pair->head = span->pair.head, span->pair.head = NULL; /* first of all what waits */
    while (!pair->bits) {
        if (span->swept < nwords) heap->nhad += (uint32_t)(heap_absorb(span, pair, span->swept++) / heap_unit(span));
        else if (!remote_has(remote_load(span))) return false;
        else remote_take(span, false), span->swept = 0;
    }
    return true;
}

/* No longer: what is left in the heap's pair becomes the span's. */
static void set_aside(struct heap *heap, struct span *span, unsigned class, uint64_t due)
{
    struct pair *pair = heap_pair(heap, class);
    uint64_t bits = pair->bits;
    heap_wind_up(heap, span, pair); /* for what hurry() took off nhad */
    pair_set_bits(pair, 0);
    turn(heap, span, &span->pair, bits, due);
    __atomic_store_n(&heap->current[class], NULL, __ATOMIC_RELAXED);
}

/* It waits at the end of the line, where frees are no event. */
static void line_up(struct heap *heap, struct span *span, unsigned class, uint64_t due)
{
    set_aside(heap, span, class, due);
    span_set_state(span, SPAN_AVAILABLE);
    list_push_back(&heap->available[class], &span->node);
}

/* Full as far as its owner knows; what was due at first is in its pair still. */
static void set_attached(struct heap *heap, struct span *span, unsigned class)
{
    pair_set(&span->pair, 0, heap_due_at_wake(span));
    heap->attached |= UINT64_C(1) << class;
    span_set_state(span, SPAN_FULL);
}

/* The current span is exhausted: everything that is the owner's is put in order, and then it is let go, or attached (listed.c).
 * False: frees arrived in between, and it is current again. */
static bool let_go(struct heap *heap, struct span *span, unsigned class)
{
    for (;;) {
        uint64_t few = min_size(FEW, span->capacity / 4) + 1;
        bool had_few = class < NSMALL && heap_due(span) - span->pair.due < few * heap_unit(span);
        if (had_few) set_attached(heap, span, class), __atomic_store_n(&heap->current[class], NULL, __ATOMIC_RELAXED);
        else set_aside(heap, span, class, heap_due_at_wake(span)), span_set_state(span, SPAN_FULL);
        if (remote_let_go(span)) return true;
        make_current(heap, span, class);
        if (refill_remote(heap, span, class)) return false; /* else SOME came late, of bits that had been taken */
    }
}

/* Of medium spans that which has waited longest. Of small ones that are three eighths full the emptier lasts longer; then the
 * fuller, so that the other may become empty. (Figures: ../README.md.) What is due tells what is out: addresses are so much
 * larger than spans that sums compare as counts. */
static struct span *pick_available(struct heap *heap, unsigned class)
{
    struct span *best = NULL;
    uint64_t most = 0;
    int left = class < NSMALL ? PICK : 1;
    list_for_each (node, &heap->available[class]) {
        struct span *span = container_of(node, struct span, node);
        uint64_t out = span->pair.due == DUE_PARKED ? 0 : span->pair.due;
        bool is_fuller = out >= class_table[class].capacity * 3 / 8 * (uintptr_t)span_address(span);
        uint64_t rank = is_fuller ? ~out : out;
        if (!best || rank > most) best = span, most = rank;
        if (--left == 0) break;
    }
    if (best) list_remove(&best->node);
    return best;
}

/* What is free in the one other small span that is available goes on the class's list, and the span is attached (listed.c):
 * before more memory becomes blocks than the class needs. Of several the current span is not what is too much, and frees of
 * attached ones are dearer. (Figures: ../README.md.) */
static bool attach(struct heap *heap, unsigned class)
{
    struct list *line = &heap->available[class];
    bool is_one = class < NSMALL && !list_is_empty(line) && line->next == line->prev;
    if (!is_one) return false;
    struct span *span = pick_available(heap, class), *current = heap->current[class];
    if (UNLIKELY(span->gone)) heap_bring_back(span);
    make_current(heap, span, class);
    set_attached(heap, span, class);
    __atomic_store_n(&heap->current[class], current, __ATOMIC_RELAXED);
    if (!remote_let_go(span)) list_push_front(line, &span->node), heap_take_in_line(span);
    return heap_pair(heap, class)->head != NULL;
}

/* A span with free blocks of another heap, which is the caller's too; it changes owner. A notifier still in flight posts it to
 * either heap; the wrong one posts it on (heap_collect_woken). */
static struct span *take_over(struct heap *from, struct heap *heap, unsigned class, bool also_current)
{
    heap_collect_woken(from, WOKEN_FEW);
    if (class >= NSMALL) heap_send_home(from, class);
    struct span *span = pick_available(from, class);
    if (!span && also_current && (span = from->current[class])) set_aside(from, span, class, DUE_PARKED);
    if (span) span_hand_over(span, heap_owner(heap, class), &heap->pairs[class]);
    return span;
}

/* One out of a heap whose thread is gone, but for what its next thread will want. */
static struct span *adopt(struct heap *heap, unsigned class)
{
    struct heap *gone = heap_unpool_any();
    if (!gone) return NULL;
    heap_enter(gone);
    struct span *span = take_over(gone, heap, class, false);
    heap_leave(gone);
    heap_pool(gone, POOL_LEFT);
    return span;
}

/* A medium one of the shared heap's: when those who are young have grown up, nobody would want what is free in it. (bench_threads
 * 0.90 of its memory, bench_tail 0.96.) No small one: those of threads without a heap may share lines with others'. */
static struct span *claim(struct heap *heap, unsigned class)
{
    if (class < NSMALL || heap_is_alone() || heap_is_shared(heap)) return NULL;
    const struct heap *shared = &heaps_static[SHARED]; /* a look without the lock, for which all would wait */
    bool has_any = PEEK(shared->current[class]) || PEEK(shared->available[class].next) != &shared->available[class];
    if (!has_any && !atomic_load_explicit(&shared->woken, memory_order_relaxed)) return NULL;
    struct span *span = take_over(heap_take_shared(), heap, class, true);
    heap_drop_shared();
    return span;
}

/* In line if it is carved whole; given back if nothing of it is out. On the class's list are only its blocks. */
static void shed_small(struct heap *heap, struct span *span, unsigned class)
{
    struct pair *pair = heap_pair(heap, class);
    uint64_t weight = 0;
    unsigned n = 0, carved = span_desc(span)->carved;
    for (struct block *block = pair->head; block; block = block_next(block), n++) {
        if (n == carved || !desc_is_start(span_desc(span), block) || !block_is_sound(block)) return; /* malloc will tell */
        weight += (uintptr_t)block;
    }
    if (n == carved) line_up(heap, span, class, DUE_PARKED), heap_vacate(span);
    else if (carved == span->capacity) line_up(heap, span, class, heap_due(span) - weight);
}

unsigned heap_end_current(struct heap *heap, struct span *span)
{
    const struct desc *desc = span_desc(span);
    unsigned nout = desc->carved - (unsigned)__builtin_popcountl(heap_pair(heap, desc->class)->bits);
    if (!nout) line_up(heap, span, desc->class, DUE_PARKED), heap_vacate(span);
    return nout;
}

void heap_shed(struct heap *heap, bool all)
{
    for (unsigned class = all ? 0 : NSMALL; class < NCLASSES; class ++) {
        if (class >= NSMALL) heap_send_home(heap, class);
        struct span *span = heap->current[class];
        if (!span) continue;
        unsigned carved = span_desc(span)->carved;
        if (all && remote_has(remote_load(span))) remote_take(span, false), span->swept = 0;
        while (all && span->swept < remote_nwords(span)) heap_absorb(span, heap_pair(heap, class), span->swept++);
        if (class < NSMALL) shed_small(heap, span, class);
        else if (all || (span->is_clean && carved >= span->capacity / 2)) heap_end_current(heap, span);
    }
}

/* What the thread may have again; else what is free and dirty, if anything is kept: if not fresh() finds that itself. */
static struct span *dirty(struct heap *heap, size_t nslices)
{
    struct span *given = NULL, *span = again_pop(heap, nslices);
    if (span) return span->is_clean = false, span_set_state(span, SPAN_AVAILABLE), span;
    return again_instead(heap, nslices, SPAN_AVAILABLE, &given);
}

/* For the first blocks of a medium class clean memory: dirty memory would be held by a span that may need little of it.
 * (bench_zeroed -7 % of its memory.) Small ones would fault inside malloc: only where there are many heaps, and each may need
 * little of most classes. */
static struct span *fresh(struct heap *heap, unsigned class)
{
    bool is_small = class < NSMALL,
         want_clean = heap->nfirst[class] < heap_nfirst(class) + is_small && (!is_small || heap->index >= THRIFTY);
    size_t live = PEEK(spans.totals.live), peak = PEEK(spans.totals.peak), nslices = class_table[class].nslices;
    struct span *span = want_clean ? NULL : dirty(heap, nslices);
    if (!span && live >= peak - peak / 16) heap_shed(heap, false); /* what is taken now will be the peak */
    if (!span) large_give_kept(heap), span = span_take(nslices, 1, SPAN_AVAILABLE, want_clean);
    if (!span) return NULL;
    class_count(class, 1);
    heap->nfirst[class] += heap->nfirst[class] - heap_nfirst(class) < MANY; /* once those have been */
    remote_begin(span, class_table[class].capacity);
    span->swept = UINT8_MAX, span->seen = 0, span->gone = 0;
    pair_set(&span->pair, 0, DUE_PARKED);
    span_describe(span, class, &span->pair);
    span_hand_over(span, heap_owner(heap, class), &heap->pairs[class]);
    if (LIKELY(limit_charge((size_t)batch(heap, span) * class_table[class].size, false))) return span;
    return heap_give(span), NULL;
}

static struct span *next_span(struct heap *heap, unsigned class)
{
    struct span *span = pick_available(heap, class);
    if (span) return span;
    heap_collect_woken(heap, WOKEN_FEW);
    if ((span = pick_available(heap, class)) || (span = adopt(heap, class)) || (span = claim(heap, class))) return span;
    return fresh(heap, class);
}

/* Whether its thread shares its objects with others: of what it frees, as much as it gets, a quarter are others' blocks, and not
 * many in a row, until they are an eighth. */
static void look_at_others(struct heap *heap)
{
    bool is_in_rows = heap->row.nsame > heap->nothers / ROW / 2;
    heap_reuse(heap, heap->reuses ? heap->nothers > heap->nhad / 8 : heap->nothers > heap->nhad / 4 && !is_in_rows);
    heap->nhad = heap->nothers = heap->row.nsame = 0;
}

/* Fills the class's pair, which is empty; *is_zero: with blocks that read zero. One span may not be enough: one may be woken for
 * nothing. */
static bool fill(struct heap *heap, unsigned class, bool *is_zero)
{
    struct span *span = heap->current[class];
    if (class < NSMALL) { /* the list is empty */
        if (span) heap_wind_up(heap, span, &heap->pairs[class]);
        heap->sated &= ~(UINT64_C(1) << class), heap->bulk &= ~(UINT64_C(1) << class);
    }
    if (heap->nhad >= OF_LATE && heap == heap_own()) look_at_others(heap);
    bool waits = class >= NSMALL && !list_is_empty(&heap->available[class]); /* once, then it is let go (../README.md) */
    for (;; waits = false) {
        heap->emptied &= ~heap_bit(class);
        if (span && (refill_remote(heap, span, class) || attach(heap, class) || carve(heap, span, is_zero))) return true;
        if (span && waits) line_up(heap, span, class, heap_due(span));
        else if (span && !let_go(heap, span, class)) return true;
        unsigned weight = class < NSMALL ? 2 : 1; /* of what is attached few are looked for */
        if ((heap->nsought += weight) % NET_EVERY < weight) heap_draw_net(heap, class);
        if (!(span = next_span(heap, class))) return false;
        if (UNLIKELY(span->gone)) heap_bring_back(span); /* a small one */
        if (class >= NSMALL) heap_take_in(span); /* as long as it has its own bits, one that both have tells of a double free */
        make_current(heap, span, class);
    }
}

SLOW void *heap_pop_listed(struct block **list, const char *entry)
{
    struct block *block = *list;
    if (!block) return NULL;
    if (LIKELY(block_is_sound(block))) return block_unlink(list, block), block;
    crime_report(entry, &(struct evidence){CRIME_OVERWRITTEN, block, block, range.table[range_index(block)].size});
    return *list = NULL; /* what is behind it cannot be trusted: lost */
}

static void *pop(struct heap *heap, unsigned class, bool *is_zero)
{
    void *block;
    do block = heap_pop_listed(&heap->pairs[class].head, "malloc()");
    while (!block && !(class >= NSMALL && (block = block_pop_bits(heap, class)) != NULL) && fill(heap, class, is_zero));
    return block;
}

/* Of most small classes most programs have a few blocks at a time, and a span of its own for each costs a page: ls has 151 page
 * faults, not 163, and 1 % fewer instructions. The power of two has every alignment that the class has. */
static unsigned lender(unsigned class)
{
    size_t size = class_table[class].size, power = (size_t)2 << log2_floor(size - 1);
    return size > OFTEN_USED && power <= SMALL_MAX ? class_least(power) : class;
}

/* No two threads' small blocks are on a line: of the next class whose blocks are whole ones. */
static unsigned shared_by_young(unsigned class)
{
    while (class < NSMALL && class_table[class].size % CACHE_LINE) class ++;
    return class;
}

void *heap_refill(struct heap *heap, unsigned class, bool *is_zero)
{
    uint8_t *nfirst = &heap->nfirst[class];
    unsigned nyoung = heap_nyoung(class);
    void *block = NULL;
    if (UNLIKELY(*nfirst < heap_nfirst(class)) && !heap->pairs[class].head && !heap_pair(heap, class)->bits)
        block = (*nfirst)++ < nyoung ? heap_refill_shared(shared_by_young(class), is_zero) : pop(heap, lender(class), is_zero);
    return block ? block : pop(heap, class, is_zero);
}
