/* span.c - free spans: bins, split and join. The essay is in span.h. */
#include "dirty.h"
#include "wait.h"
#include "../base/bits.h"

/* Bins by number of slices: exact to 32, then 8 for each doubling up to 2^28 slices (16 TiB). */
enum { EXACT = 32, NBINS = EXACT + 23 * 8 + 8, NWORDS = (NBINS + 63) / 64, CANDIDATES = 8 };

enum kind { DIRTY, CLEAN }; /* in the order in which they are handed out */

static struct bins {
    struct list list[NBINS]; /* made when its bit is first set, so that unused ones cost no page */
    uint64_t used[NWORDS];
} bins[2] __attribute__((aligned(PAGE / 2))); /* the small data follows on its second page (CMakeLists.txt) */

struct spans spans;

static unsigned bin_of(size_t nslices)
{
    if (nslices <= EXACT) return (unsigned)nslices - 1;
    unsigned doubling = log2_floor(nslices);
    return EXACT + (doubling - 5) * 8 + (unsigned)((nslices >> (doubling - 3)) & 7);
}

static bool is_free(enum span_state state) { return state == SPAN_CLEAN || state == SPAN_DIRTY; }
static enum kind kind_of(const struct span *span) { return span->ndirty ? DIRTY : CLEAN; }

static void count_free(const struct span *span, size_t sign)
{
    span_add_total(&spans.totals.dirty, sign * span->ndirty);
    span_add_total(&spans.totals.clean, sign * (span_nslices(span) - span->ndirty));
}

static void bin_add(struct span *span)
{
    struct bins *of = &bins[kind_of(span)];
    unsigned bin = bin_of(span_nslices(span));
    if (!bits_test_and_set(&of->used[bin / 64], bin % 64)) list_init(&of->list[bin]);
    list_push_front(&of->list[bin], &span->node);
    count_free(span, 1);
}

static struct span *bin_remove(struct span *span)
{
    struct bins *of = &bins[kind_of(span)];
    unsigned bin = bin_of(span_nslices(span));
    count_free(span, (size_t)-1);
    list_remove(&span->node);
    if (list_is_empty(&of->list[bin])) of->used[bin / 64] &= ~((uint64_t)1 << bin % 64);
    return span;
}

/* Gives a free span its state, the back link from its last record, and its bin. */
static void publish_free(struct span *span)
{
    span[span_nslices(span) - 1].first = span_index(span);
    span_set_state(span, span->ndirty ? SPAN_DIRTY : SPAN_CLEAN);
    bin_add(span);
}

static struct span *free_right_of(const struct span *span)
{
    size_t index = span_index(span) + span_nslices(span);
    return index < range_limit() && is_free(span_state(range.records + index)) ? range.records + index : NULL;
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

/* Joins two free neighbours that are in no bin; `left` keeps its state for now. */
static struct span *join(struct span *left, struct span *right)
{
    left->ndirty += right->ndirty;
    span_set(left, span_state(left), span_nslices(left) + span_nslices(right));
    span_set(right, SPAN_INTERIOR, 0);
    return left;
}

void span_put_free(struct span *span)
{
    struct span *right = free_right_of(span), *left = free_left_of(span);
    if (right) join(span, bin_remove(right));
    publish_free(left ? join(bin_remove(left), span) : span);
}

/* Cuts [nslices, end) off a span that is in no bin. What is dirty is counted in the shorter half: of a gigabyte that a block
 * leaves free, and beside which somebody has freed a little, each small take would read all records. */
static struct span *split(struct span *span, size_t nslices)
{
    struct span *right = span + nslices;
    size_t nright = span_nslices(span) - nslices, ndirty = span->ndirty;
    bool is_mixed = ndirty && ndirty < span_nslices(span);
    if (is_mixed)
        ndirty = nslices < nright ? ndirty - dirty_count(span_index(span), nslices) : dirty_count(span_index(right), nright);
    right->ndirty = min_size(ndirty, nright);
    span_set(right, span_state(span), nright);
    span->ndirty -= right->ndirty;
    list_init(&right->node);
    span_set(span, span_state(span), nslices);
    return right;
}

/* A free span of this kind of at least nslices, off its bin: one of the first `left` of its own bin, else the first of
 * the next bin in use, where everything fits. */
static struct span *find(enum kind kind, size_t nslices, size_t left)
{
    struct bins *of = &bins[kind];
    unsigned bin = bin_of(nslices);
    if (of->used[bin / 64] >> bin % 64 & 1) {
        list_for_each (node, &of->list[bin]) {
            struct span *span = container_of(node, struct span, node);
            if (span_nslices(span) >= nslices) return bin_remove(span);
            if (--left == 0) break;
        }
    }
    for (unsigned next = bin + 1, word = next / 64; word < NWORDS; word++) {
        uint64_t used = of->used[word];
        if (word == next / 64) used &= ~(uint64_t)0 << next % 64;
        if (!used) continue;
        struct list *list = &of->list[word * 64 + (unsigned)__builtin_ctzl(used)];
        return bin_remove(container_of(list->next, struct span, node));
    }
    return NULL;
}

/* Adds nslices at least to the range: free, and joined to what was left at its end, unless something is in the way. */
static bool grow(size_t nslices)
{
    size_t first, n = range_grow(nslices, &first);
    if (!n) return false;
    struct span *fresh = range.records + first;
    fresh->ndirty = 0;
    span_set(fresh, SPAN_CLEAN, n);
    __atomic_store_n(&range.limit, first + n, __ATOMIC_RELEASE);
    span_put_free(fresh);
    return true;
}

static struct span *find_any(size_t nslices, enum span_want want, size_t left)
{
    struct span *span = want == WANT_CLEAN ? find(CLEAN, nslices, left) : NULL;
    if (!span) span = find(DIRTY, nslices, left);
    if (!span && wait_join()) span = find(DIRTY, nslices, left);
    if (!span && want == WANT_DIRTY) span = find(CLEAN, nslices, left);
    return span;
}

/* Where the range cannot grow whoever fits is found. */
static struct span *find_or_grow(size_t nslices, enum span_want want)
{
    struct span *span;
    do span = find_any(nslices, want, CANDIDATES);
    while (!span && want != ONLY_DIRTY && grow(nslices));
    return span || want == ONLY_DIRTY ? span : find_any(nslices, WANT_DIRTY, SIZE_MAX);
}

/* Trims a free span that is in no bin to [skip, skip + nslices) and returns the rest to the bins. */
static struct span *trim(struct span *span, size_t skip, size_t nslices)
{
    struct span *taken = skip ? split(span, skip) : span;
    if (skip) publish_free(span);
    if (span_nslices(taken) > nslices) publish_free(split(taken, nslices));
    return taken;
}

/* Where in a free span of enough slices the wanted ones begin: at its first dirty slice, so that resident memory is used first;
 * but behind the last if the rest would do and clean ones are wanted, or little is dirty, for a large block that reads zero need
 * not be touched. Without room for the alignment there, at its start. */
static size_t place(const struct span *span, size_t nslices, size_t alignment, bool want_clean)
{
    size_t index = span_index(span), n = span_nslices(span), room = n - nslices, skip = 0;
    if (span->ndirty && span->ndirty < n) skip = dirty_first(index, n) - index;
    want_clean |= span->ndirty < nslices / 4;
    if (span->ndirty && want_clean && dirty_end(index, n) - index <= room) skip = dirty_end(index, n) - index;
    size_t first_slice = range.base >> SLICE_SHIFT, aligned = round_up(first_slice + index + min_size(skip, room), alignment);
    if (aligned - first_slice - index > room) aligned = round_up(first_slice + index, alignment);
    return aligned - first_slice - index;
}

static void make_free(struct span *span, size_t ntouched)
{
    size_t nslices = span_nslices(span);
    span_add_total(&spans.totals.live, -nslices);
    purge_note_give(nslices);
    if (ntouched == nslices && wait_begin(span)) return;
    dirty_mark(span_index(span), ntouched);
    span->ndirty = ntouched == nslices ? nslices : dirty_count(span_index(span), nslices);
    span_put_free(span);
}

static void make_all_free(struct span *given)
{
    for (struct span *next; given; given = next) next = given->woken_next, make_free(given, span_nslices(given));
}

static struct span *take(size_t nslices, size_t alignment, enum span_state state, enum span_want want)
{
    struct span *waited = wait_end(want == WANT_CLEAN || alignment > 1 ? 0 : nslices), *span = waited;
    if (!waited) span = find_or_grow(nslices + alignment - 1, want);
    if (!span) return NULL;
    if (!waited) span = trim(span, place(span, nslices, alignment, want == WANT_CLEAN && state != SPAN_LARGE), nslices);
    span->is_clean = span->ndirty == 0;
    span_set_state(span, state);
    span_add_total(&spans.totals.live, nslices);
    purge_note_take(nslices, waited ? 0 : dirty_retake(span_index(span), nslices));
    return span;
}

struct span *span_give_and_take(struct span *given, size_t nslices, size_t alignment, enum span_state state, enum span_want want)
{
    bool is_possible = nslices <= SLICES_MAX && alignment <= SLICES_MAX - nslices;
    lock_take(&spans.lock);
    make_all_free(given);
    struct span *span = is_possible ? take(nslices, alignment, state, want) : NULL;
    lock_drop(&spans.lock);
    return span;
}

struct span *span_give_and_take_some(struct span *given, size_t nslices, enum span_state state, size_t more)
{
    lock_take(&spans.lock);
    make_all_free(given);
    struct span *first = take(nslices, 1, state, ONLY_DIRTY), *last = first;
    for (; last && more; more--) last = last->woken_next = take(nslices, 1, SPAN_KEPT, ONLY_DIRTY);
    if (last) last->woken_next = NULL;
    lock_drop(&spans.lock);
    return first;
}

void span_give(struct span *span, size_t ntouched)
{
    lock_take(&spans.lock);
    make_free(span, ntouched);
    lock_drop(&spans.lock);
}

void span_give_all(struct span *given)
{
    if (!given) return;
    lock_take(&spans.lock);
    make_all_free(given);
    lock_drop(&spans.lock);
}

void span_give_clean(struct span *span)
{
    lock_take(&spans.lock);
    dirty_wipe(span_index(span), span_nslices(span));
    make_free(span, 0);
    lock_drop(&spans.lock);
}

/* The last block of all has room for as long as the range can grow; a smaller one does better in dirty memory (../README.md). */
static const size_t GROWS_RANGE = 16 * MIB / SLICE_SIZE;

bool span_extend(struct span *span, size_t nslices)
{
    lock_take(&spans.lock);
    size_t end = span_index(span) + span_nslices(span), more = nslices - span_nslices(span);
    struct span *right = free_right_of(span);
    if ((!right || span_nslices(right) < more) && wait_join()) right = free_right_of(span);
    size_t room = right ? span_nslices(right) : 0;
    if (room < more && nslices >= GROWS_RANGE && end + room == range_limit() && grow(more - room)) right = free_right_of(span);
    bool fits = right && span_nslices(right) >= more;
    if (fits) {
        join(span, trim(bin_remove(right), 0, more));
        span_add_total(&spans.totals.live, more);
        purge_note_take(more, dirty_retake(end, more));
    }
    lock_drop(&spans.lock);
    return fits;
}

void span_cut(struct span *span, size_t nslices)
{
    lock_take(&spans.lock);
    struct span *tail = split(span, nslices);
    make_free(tail, span_nslices(tail));
    lock_drop(&spans.lock);
}

void span_lose(struct span *span)
{
    lock_take(&spans.lock);
    span_add_total(&spans.totals.live, -span_nslices(span));
    span_set_state(span, SPAN_HOLE);
    lock_drop(&spans.lock);
}

#define desc_for_each(each, span) for (struct desc *each = span_desc(span), *end = each + span_nslices(span); each != end; each++)

void span_blank(struct span *span)
{
    desc_for_each (desc, span) {
        __atomic_store_n(&desc->bound, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&desc->owner, OWNER_NONE, __ATOMIC_RELEASE);
    }
}

void span_describe(struct span *span, unsigned class, struct pair *pair)
{
    uintptr_t start = (uintptr_t)span_address(span) + class_offset(class, span_index(span));
    desc_for_each (desc, span) {
        __atomic_store_n(&desc->start, start, __ATOMIC_RELAXED);
        __atomic_store_n(&desc->pair, pair, __ATOMIC_RELEASE);
        desc->reciprocal = class_table[class].reciprocal;
        __atomic_store_n(&desc->size, class_table[class].size, __ATOMIC_RELAXED);
        desc->class = (uint8_t) class;
        __atomic_store_n(&desc->carved, 0, __ATOMIC_RELAXED);
    }
}

void span_carve(struct span *span, uint32_t carved)
{
    uint64_t bound = class_bound(span_desc(span)->class, carved);
    desc_for_each (desc, span) {
        __atomic_store_n(&desc->carved, carved, __ATOMIC_RELAXED);
        __atomic_store_n(&desc->bound, bound, __ATOMIC_RELEASE);
    }
}

void span_hand_over(struct span *span, uintptr_t owner, struct pair *list)
{
    desc_for_each (desc, span) {
        __atomic_store_n(&desc->list, list, __ATOMIC_RELEASE);
        __atomic_store_n(&desc->owner, owner, __ATOMIC_RELEASE);
    }
}

void span_repoint(struct span *span, struct pair *pair)
{
    desc_for_each (desc, span) __atomic_store_n(&desc->pair, pair, __ATOMIC_RELEASE);
}

struct span *span_containing(size_t index)
{
    struct span *span = range.records + index;
    while (span > range.records && span_state(span) == SPAN_INTERIOR) span--;
    return span;
}

struct span *span_take_dirtiest(void)
{
    wait_join();
    for (int word = NWORDS - 1; word >= 0; word--) {
        uint64_t used = bins[DIRTY].used[word];
        if (!used) continue;
        struct list *list = &bins[DIRTY].list[word * 64 + (int)log2_floor(used)];
        return bin_remove(container_of(list->prev, struct span, node));
    }
    return NULL;
}

/* What a record means when nobody is in the middle of anything; of a free one the word and the dirty slices are sure. */
static enum span_state settle(struct span *span)
{
    enum span_state state = span_state(span);
    bool is_orphan = state >= SPAN_KEPT && state <= SPAN_LARGE && span_desc(span)->owner == OWNER_NONE;
    if (is_orphan) span_blank(span);
    if (is_orphan || state == SPAN_WAITING) dirty_mark(span_index(span), span_nslices(span));
    /* whoever purged it is not in this process */
    if (is_orphan || state == SPAN_WAITING || state == SPAN_PURGING) state = SPAN_DIRTY;
    if (is_free(state)) span->ndirty = dirty_count(span_index(span), span_nslices(span));
    return state;
}

/* The place inside a span of a record that says more than INTERIOR: a split or a join that went no further leaves one. 0: there
 * is none. */
static size_t stray_inside(const struct span *span)
{
    for (size_t i = 1, n = span_nslices(span); i < n; i++)
        if (span_state(span + i) != SPAN_INTERIOR) return i;
    return 0;
}

void spans_repair(bool was_locked)
{
    struct span *run = NULL;
    if (was_locked) range_repair();
    for (int kind = 0; kind < 2; kind++)
        for (int word = 0; word < NWORDS; word++) bins[kind].used[word] = 0;
    wait_forget();
    spans.totals.live = spans.totals.dirty = spans.totals.clean = 0;
    spans.npurging = 0;
    for (size_t i = 0, n; i < range_limit(); i += n) {
        struct span *span = range.records + i;
        enum span_state state = settle(span);
        n = max_size(span_nslices(span), 1);
        for (size_t stray; was_locked && (stray = stray_inside(span)) != 0;) span_set(span + stray, SPAN_INTERIOR, 0);
        if (is_free(state)) run = run ? join(run, span) : span; /* so far in no bin, like it */
        if (is_free(state)) continue;
        if (run) publish_free(run);
        run = NULL;
        if (state != SPAN_HOLE) spans.totals.live += n;
    }
    if (run) publish_free(run);
    limit_count_again();
}

static bool is_in_its_bin(const struct span *span)
{
    const struct bins *of = &bins[kind_of(span)];
    unsigned bin = bin_of(span_nslices(span));
    if (!(of->used[bin / 64] >> bin % 64 & 1)) return false;
    list_for_each (node, &of->list[bin])
        if (node == &span->node) return true;
    return false;
}

/* The law that a free span breaks, or NULL. */
static const char *law_of_free(const struct span *span, bool follows_free)
{
    if (follows_free) return "free neighbours are joined";
    if (span->ndirty != dirty_count(span_index(span), span_nslices(span))) return "a free span knows how much of it is dirty";
    if ((span_state(span) == SPAN_CLEAN) != (span->ndirty == 0)) return "a free span is clean when nothing of it is dirty";
    return is_in_its_bin(span) ? NULL : "a free span is in the bin of its size and kind";
}

size_t span_verify(void (*broken)(const char *law, const struct span *span))
{
    size_t errors = 0, n;
    struct span_totals sum = {0};
    bool follows_free = false;
    for (size_t i = 0; i < range_limit(); i += n) {
        const struct span *span = range.records + i;
        enum span_state state = span_state(span);
        const char *law = NULL;
        n = span_nslices(span);
        if (n == 0 || state == SPAN_INTERIOR || i + n > range_limit()) return broken("spans tile the range", span), errors + 1;
        if (stray_inside(span)) law = "a record that is not a span's first says so";
        if (is_free(state)) {
            sum.dirty += span->ndirty;
            sum.clean += n - span->ndirty;
            if (!law) law = law_of_free(span, follows_free);
        } else if (state == SPAN_WAITING) {
            sum.dirty += n;
            if (!wait_has(span)) law = "a span that waits is on the list of its size";
        } else if (state != SPAN_HOLE && state != SPAN_PURGING) {
            sum.live += n;
        }
        if (law) broken(law, span), errors++;
        follows_free = is_free(state);
    }
    const struct span_totals *totals = &spans.totals;
    bool adds_up = sum.live == totals->live && (spans.npurging || (sum.dirty == totals->dirty && sum.clean == totals->clean));
    if (!adds_up) broken("the totals are the sums over the spans", range.records), errors++;
    if (!limit_is_right()) broken("what is charged is what is in use", range.records), errors++;
    return errors;
}
