/* span.c - free spans: bins, split and join. The essay is in span.h. */
#include "span.h"

/* Bins by number of slices: exact to 32, then 8 for each doubling up to 2^28 slices (16 TiB). */
enum { EXACT = 32, NBINS = EXACT + 23 * 8 + 8, NWORDS = (NBINS + 63) / 64, CANDIDATES = 8 };

enum kind { DIRTY, CLEAN };     /* in the order in which they are handed out */

static struct bins {
    struct list list[NBINS];    /* made when its bit is first set, so that unused ones cost no page */
    uint64_t used[NWORDS];
} bins[2];

struct spans spans;

static unsigned bin_of(size_t nslices)
{
    if (nslices <= EXACT) return (unsigned)nslices - 1;
    unsigned doubling = log2_floor(nslices);
    return EXACT + (doubling - 5) * 8 + (unsigned)((nslices >> (doubling - 3)) & 7);
}

static enum kind kind_of(enum span_state state) { return state == SPAN_CLEAN ? CLEAN : DIRTY; }
static size_t *total_of(enum span_state state) { return state == SPAN_CLEAN ? &spans.totals.clean : &spans.totals.dirty; }
static bool is_free(enum span_state state) { return state == SPAN_CLEAN || state == SPAN_DIRTY; }

static void bin_add(struct span *span, enum span_state state, size_t nslices)
{
    struct bins *of = &bins[kind_of(state)];
    unsigned bin = bin_of(nslices);
    uint64_t bit = (uint64_t)1 << bin % 64;
    if (!(of->used[bin / 64] & bit)) list_init(&of->list[bin]);
    of->used[bin / 64] |= bit;
    list_push_front(&of->list[bin], &span->node);
    span_add_total(total_of(state), nslices);
}

static void bin_remove(struct span *span)
{
    size_t nslices = span_nslices(span);
    struct bins *of = &bins[kind_of(span_state(span))];
    unsigned bin = bin_of(nslices);
    span_add_total(total_of(span_state(span)), -nslices);
    list_remove(&span->node);
    if (list_is_empty(&of->list[bin])) of->used[bin / 64] &= ~((uint64_t)1 << bin % 64);
}

/* Gives a free span its state and extent, the back link from its last record, and its bin. */
static void publish_free(struct span *span, enum span_state state, size_t nslices)
{
    span[nslices - 1].first = span_index(span);
    span_set(span, state, nslices);
    bin_add(span, state, nslices);
}

static struct span *right_of(const struct span *span, size_t nslices)
{
    size_t index = span_index(span) + nslices;
    return index < range_limit() ? range.records + index : NULL;
}

/* The free span that ends where this one begins, or NULL. A last record's `first` may be stale from an earlier life; but
 * every record that is not a span's first says INTERIOR, so a stale link leads nowhere. */
static struct span *free_left_of(const struct span *span)
{
    size_t index = span_index(span);
    if (index == 0) return NULL;
    size_t first = range.records[index - 1].first;
    if (first >= index) return NULL;
    struct span *left = range.records + first;
    return is_free(span_state(left)) && first + span_nslices(left) == index ? left : NULL;
}

void span_put_free(struct span *span, enum span_state state)
{
    size_t nslices = span_nslices(span);
    struct span *right = right_of(span, nslices), *left = free_left_of(span);
    if (right && span_state(right) == state) {
        bin_remove(right);
        nslices += span_nslices(right);
        span->nmoved = (uint16_t)(span->nmoved + right->nmoved);
        span_set(span, span_state(span), nslices);
        span_set(right, SPAN_INTERIOR, 0);
    }
    if (left && span_state(left) == state) {
        bin_remove(left);
        nslices += span_nslices(left);
        left->nmoved = (uint16_t)(left->nmoved + span->nmoved);
        span_set(left, state, nslices);
        span_set(span, SPAN_INTERIOR, 0);
        span = left;
    }
    publish_free(span, state, nslices);
}

/* Cuts [nslices, end) off a span that is on no list and makes it one of its own in `state`, on no list either. */
static struct span *split(struct span *span, size_t nslices, enum span_state state)
{
    struct span *right = span + nslices;
    right->nmoved = span->nmoved;   /* either part may hold the ranges that were moved */
    span_set(right, state, span_nslices(span) - nslices);
    span_set(span, span_state(span), nslices);
    return right;
}

/* A free span of this kind of at least nslices, off its bin: one of the first few of its own bin, else the first of
 * the next bin in use, where everything fits. */
static struct span *find(enum kind kind, size_t nslices)
{
    struct bins *of = &bins[kind];
    unsigned bin = bin_of(nslices);
    if (of->used[bin / 64] >> bin % 64 & 1) {
        int left = CANDIDATES;
        list_for_each(node, &of->list[bin]) {
            struct span *span = container_of(node, struct span, node);
            if (span_nslices(span) >= nslices) return bin_remove(span), span;
            if (--left == 0) break;
        }
    }
    for (unsigned next = bin + 1, word = next / 64; word < NWORDS; word++) {
        uint64_t used = of->used[word];
        if (word == next / 64) used &= ~(uint64_t)0 << next % 64;
        if (!used) continue;
        struct list *list = &of->list[word * 64 + (unsigned)__builtin_ctzl(used)];
        struct span *span = container_of(list->next, struct span, node);
        return bin_remove(span), span;
    }
    return NULL;
}

static struct span *find_or_grow(size_t nslices, bool want_clean)
{
    struct span *span = find(want_clean ? CLEAN : DIRTY, nslices);
    if (!span) span = find(want_clean ? DIRTY : CLEAN, nslices);
    if (span) return span;
    size_t first, n = range_grow(nslices, &first);
    if (!n) return NULL;
    struct span *fresh = range.records + first;
    fresh->nmoved = 0;
    span_set(fresh, SPAN_CLEAN, n);
    __atomic_store_n(&range.limit, first + n, __ATOMIC_RELEASE);
    span_put_free(fresh, SPAN_CLEAN);   /* joins what was left at the end */
    return find(CLEAN, nslices);
}

/* Trims a free span that is on no list to [skip, skip + nslices) and returns the rest to the bins. */
static struct span *trim(struct span *span, size_t skip, size_t nslices)
{
    enum span_state state = span_state(span);
    if (skip) {
        struct span *kept = split(span, skip, state);
        publish_free(span, state, skip);
        span = kept;
    }
    if (span_nslices(span) > nslices) {
        struct span *rest = split(span, nslices, state);
        publish_free(rest, state, span_nslices(rest));
    }
    return span;
}

struct span *span_take(size_t nslices, size_t alignment, enum span_state state, bool want_clean)
{
    lock_take(&spans.lock);
    struct span *span = find_or_grow(nslices + alignment - 1, want_clean);
    if (!span) {
        lock_drop(&spans.lock);
        return NULL;
    }
    size_t skip = -((uintptr_t)span_address(span) >> SLICE_SHIFT) & (alignment - 1);
    span = trim(span, skip, nslices);
    span->is_clean = span_state(span) == SPAN_CLEAN;
    span_set_state(span, state);
    span_add_total(&spans.totals.live, nslices);
    lock_drop(&spans.lock);
    return span;
}

void span_give(struct span *span, bool is_clean)
{
    lock_take(&spans.lock);
    span_add_total(&spans.totals.live, -span_nslices(span));
    span_put_free(span, is_clean ? SPAN_CLEAN : SPAN_DIRTY);
    lock_drop(&spans.lock);
}

bool span_extend(struct span *span, size_t nslices, bool *is_clean)
{
    lock_take(&spans.lock);
    size_t have = span_nslices(span);
    struct span *right = right_of(span, have);
    bool fits = right && is_free(span_state(right)) && have + span_nslices(right) >= nslices;
    if (fits) {
        bin_remove(right);
        *is_clean = span_state(right) == SPAN_CLEAN;
        trim(right, 0, nslices - have);
        span->nmoved = (uint16_t)(span->nmoved + right->nmoved);
        span_set(span, span_state(span), nslices);
        span_set(right, SPAN_INTERIOR, 0);
        span_add_total(&spans.totals.live, nslices - have);
    }
    lock_drop(&spans.lock);
    return fits;
}

void span_cut(struct span *span, size_t nslices)
{
    lock_take(&spans.lock);
    struct span *tail = split(span, nslices, span_state(span));
    span_add_total(&spans.totals.live, -span_nslices(tail));
    span_put_free(tail, SPAN_DIRTY);
    lock_drop(&spans.lock);
}

void span_blank(struct span *span)
{
    struct desc *desc = span_desc(span);
    for (size_t n = span_nslices(span); n--; desc++) {
        __atomic_store_n(&desc->owner, OWNER_NONE, __ATOMIC_RELAXED);
        __atomic_store_n(&desc->bound, 0, __ATOMIC_RELAXED);
    }
}

void span_describe(struct span *span, unsigned class, uintptr_t owner, struct pair *pair)
{
    struct desc *desc = span_desc(span);
    for (size_t n = span_nslices(span); n--; desc++) {
        desc->start = (uintptr_t)span_address(span);
        desc->pair = pair;
        desc->reciprocal = class_table[class].reciprocal;
        desc->size = class_table[class].size;
        desc->class = (uint8_t)class;
        desc->carved = 0;
        __atomic_store_n(&desc->owner, owner, __ATOMIC_RELEASE);
    }
}

void span_carve(struct span *span, uint32_t carved)
{
    struct desc *desc = span_desc(span);
    uint64_t bound = class_bound(desc->class, carved);
    for (size_t n = span_nslices(span); n--; desc++) {
        desc->carved = carved;
        __atomic_store_n(&desc->bound, bound, __ATOMIC_RELEASE);
    }
}

void span_hand_over(struct span *span, uintptr_t owner)
{
    struct desc *desc = span_desc(span);
    for (size_t n = span_nslices(span); n--; desc++) __atomic_store_n(&desc->owner, owner, __ATOMIC_RELEASE);
}

void span_repoint(struct span *span, struct pair *pair)
{
    struct desc *desc = span_desc(span);
    for (size_t n = span_nslices(span); n--; desc++) desc->pair = pair;
}

struct span *span_containing(size_t index)
{
    struct span *span = range.records + index;
    while (span > range.records && span_state(span) == SPAN_INTERIOR) span--;
    return span;
}

struct span *span_take_dirtiest(size_t nslices_max)
{
    for (int word = NWORDS - 1; word >= 0; word--) {
        uint64_t used = bins[DIRTY].used[word];
        if (!used) continue;
        struct list *list = &bins[DIRTY].list[word * 64 + (int)log2_floor(used)];
        struct span *span = container_of(list->prev, struct span, node);
        bin_remove(span);
        return span_nslices(span) > nslices_max ? trim(span, 0, nslices_max) : span;
    }
    return NULL;
}

/* What a record means when nobody is in the middle of anything. */
static enum span_state settled_state(struct span *span)
{
    enum span_state state = span_state(span);
    if (state == SPAN_PURGING) return SPAN_DIRTY;   /* whoever purged it is not in this process */
    bool is_orphan = state >= SPAN_CURRENT && state <= SPAN_LARGE && span_desc(span)->owner == OWNER_NONE;
    if (is_orphan) span_blank(span);
    return is_orphan ? SPAN_DIRTY : state;
}

/* Joins a free span with the free one before it, if that is its neighbour and of its kind, or starts a new run. */
static struct span *join_run(struct span *run, struct span *span, enum span_state state)
{
    size_t nslices = span_nslices(span);
    bool joins = run && span_state(run) == state && run + span_nslices(run) == span;
    if (joins) {
        run->nmoved = (uint16_t)(run->nmoved + span->nmoved);
        span_set(run, state, span_nslices(run) + nslices);
        span_set(span, SPAN_INTERIOR, 0);
        return run;
    }
    if (run) publish_free(run, span_state(run), span_nslices(run));
    span_set(span, state, nslices);
    return span;
}

void spans_repair(void)
{
    struct span *run = NULL;
    for (int kind = 0; kind < 2; kind++)
        for (int word = 0; word < NWORDS; word++) bins[kind].used[word] = 0;
    spans.totals = (struct span_totals){.moved = spans.totals.moved};
    spans.npurging = 0;
    for (size_t i = 0, n; i < range_limit(); i += n) {
        struct span *span = range.records + i;
        enum span_state state = settled_state(span);
        n = max_size(span_nslices(span), 1);
        if (is_free(state)) run = join_run(run, span, state);
        else if (state != SPAN_HOLE) spans.totals.live += n;
    }
    if (run) publish_free(run, span_state(run), span_nslices(run));
}

static bool is_in_its_bin(const struct span *span)
{
    const struct bins *of = &bins[kind_of(span_state(span))];
    unsigned bin = bin_of(span_nslices(span));
    if (!(of->used[bin / 64] >> bin % 64 & 1)) return false;
    list_for_each(node, &of->list[bin])
        if (node == &span->node) return true;
    return false;
}

/* Interior records say so. Only free spans are looked through whole: those in use may be written by their owner. */
static bool is_scrapped_inside(const struct span *span, size_t nslices)
{
    for (size_t i = 1; i < nslices; i++)
        if (span_state(span + i) != SPAN_INTERIOR) return false;
    return true;
}

size_t span_verify(void (*broken)(const char *law, const struct span *span))
{
    size_t errors = 0, n;
    struct span_totals sum = {0, 0, 0, 0};
    enum span_state before = SPAN_HOLE, state;
    for (size_t i = 0; i < range_limit(); i += n, before = state) {
        const struct span *span = range.records + i;
        const char *law = NULL;
        state = span_state(span);
        n = span_nslices(span);
        if (n == 0 || state == SPAN_INTERIOR || i + n > range_limit()) return broken("spans tile the range", span), errors + 1;
        if (!is_scrapped_inside(span, n)) law = "a record that is not a span's first says so";
        if (is_free(state)) {
            *(state == SPAN_CLEAN ? &sum.clean : &sum.dirty) += n;
            if (state == before) law = "free neighbours of one kind are joined";
            if (!is_in_its_bin(span)) law = "a free span is in the bin of its size";
        } else if (state == SPAN_PURGING) {
            sum.dirty += n;
        } else if (state != SPAN_HOLE) {
            sum.live += n;
        }
        if (law) broken(law, span), errors++;
    }
    const struct span_totals *totals = &spans.totals;
    if (sum.live != totals->live || sum.dirty != totals->dirty || sum.clean != totals->clean)
        broken("the totals are the sums over the spans", range.records), errors++;
    return errors;
}
