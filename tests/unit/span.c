/* span.c: laws of the page level (src/span): span_verify after each step, by hand and at random. What a span is said to read is
 * looked at too: each test writes into the first bytes of slices, and remembers where. */
#include "span/dirty.h"
#include "api/life.h"
#include "fail.h"
#include "unit.h"

#include <sys/mman.h>
#include <sys/syscall.h>

enum { MODEL_SLICES = 1 << 16 };

static void tell(const char *law, const struct span *span)
{
    say("broken law: %s (slice %zu, state %u, %zu slices)\n", law, span_index(span), span_state(span), span_nslices(span));
}

static void verify(void)
{
    lock_take(&spans.lock);
    size_t nbroken = span_verify(tell);
    lock_drop(&spans.lock);
    require(nbroken == 0, "%zu broken laws\n", nbroken);
}

/* A word in each slice, which the tests set when they write to it. */
static uint64_t *word_in(const struct span *span, size_t slice)
{
    return (uint64_t *)(void *)(span_address(span) + (slice << SLICE_SHIFT) + 512);
}

static void write_to(const struct span *span, size_t from, size_t end)
{
    for (size_t i = from; i < end; i++) *word_in(span, i) = 1;
}

static bool reads_zero(const struct span *span, size_t from, size_t end)
{
    for (size_t i = from; i < end; i++)
        if (*word_in(span, i)) return false;
    return true;
}

/* As large.c does: a span in use is spoken for by its first desc. */
static void speak_for(const struct span *span, uintptr_t owner)
{
    __atomic_store_n(&span_desc(span)->owner, owner, __ATOMIC_RELEASE);
}

static struct span *take(size_t nslices, size_t alignment, bool want_clean)
{
    struct span *span = span_take(nslices, alignment, SPAN_LARGE, want_clean);
    require(span != NULL, "no span of %zu slices\n", nslices);
    require(span_nslices(span) == nslices && span_state(span) == SPAN_LARGE, "asked for %zu slices, got %zu\n", nslices,
            span_nslices(span));
    require((uintptr_t)span_address(span) % (alignment << SLICE_SHIFT) == 0, "not aligned to %zu slices\n", alignment);
    require(!span->is_clean || reads_zero(span, 0, nslices), "said to be clean, but is not\n");
    require(list_is_empty(&span->node), "its record says that it is on a list\n");
    for (size_t i = 0; i < nslices; i++) {
        const struct desc *desc = span_desc(span) + i;
        require(desc->owner == OWNER_NONE && desc->bound == 0, "the desc of slice %zu is not blank\n", i);
    }
    speak_for(span, OWNER_LARGE);
    verify();
    return span;
}

static void give(struct span *span, size_t ntouched)
{
    speak_for(span, OWNER_NONE);
    span_give(span, ntouched);
    verify();
}

/* --- by hand --- */

static void span_take_splits_and_gives_join(void)
{
    life_check();
    struct span *a = take(3, 1, false), *b = take(4, 1, false), *c = take(5, 1, false);
    require(b == a + 3 && c == b + 4, "spans are taken in address order from fresh memory\n");
    give(a, 3);
    give(c, 5);
    give(b, 4);
    size_t free_slices = spans.totals.dirty + spans.totals.clean;
    require(span_nslices(span_containing(span_index(a))) == free_slices, "neighbours on both sides are joined\n");
    require(spans.totals.live == 0 && spans.totals.dirty == 12, "totals\n");
}

static void span_take_prefers_dirty_memory(void)
{
    life_check();
    struct span *a = take(4, 1, false), *fence = take(1, 1, false);
    write_to(a, 0, 4);
    give(a, 4);
    require(take(4, 1, false) == a && !a->is_clean, "what is dirty comes first\n");
    give(a, 4);
    struct span *clean = take(4, 1, true);
    require(clean != a && clean->is_clean, "unless what is clean is wanted\n");
    give(clean, 0);
    give(fence, 1);
}

static void span_remembers_what_was_touched(void)
{
    life_check();
    struct span *a = take(8, 1, false);
    write_to(a, 0, 3);
    give(a, 3);
    require(spans.totals.dirty == 3, "three slices were touched, %zu are dirty\n", spans.totals.dirty);
    struct span *rest = take(20, 1, false);
    require(rest->is_clean && rest == a + 3, "twenty never were\n");
    give(rest, 0);
    struct span *small = take(5, 1, false);
    require(small == a && !small->is_clean, "a small span begins where it is dirty\n");
    give(small, 0);
    require(spans.totals.dirty == 3, "%zu are dirty\n", spans.totals.dirty);
}

static void span_extends_into_a_free_neighbour_only(void)
{
    life_check();
    struct span *a = take(2, 1, false), *b = take(2, 1, false), *c = take(2, 1, false);
    require(!span_extend(a, 3), "into a neighbour in use\n");
    write_to(b, 0, 2);
    give(b, 2);
    require(!span_extend(a, 5), "further than the neighbour reaches\n");
    require(dirty_count(span_index(b), 1) == 1 && span_extend(a, 3) && span_nslices(a) == 3, "into part of a dirty neighbour\n");
    verify();
    require(span_extend(a, 4) && span_nslices(a) == 4 && a + 4 == c, "into the rest of it\n");
    verify();
    require(dirty_count(span_index(c) + 2, 8) == 0 && span_extend(c, 10) && reads_zero(c, 2, 10), "into a clean neighbour\n");
    verify();
    give(a, 4);
    give(c, 10);
}

static void span_cut_returns_the_tail(void)
{
    life_check();
    struct span *a = take(10, 1, false);
    span_cut(a, 4);
    verify();
    require(span_nslices(a) == 4 && spans.totals.live == 4, "%zu slices are left\n", span_nslices(a));
    struct span *b = take(6, 1, false);
    require(b == a + 4, "the tail is free, and dirty\n");
    give(a, 4);
    give(b, 6);
}

static void span_containing_finds_the_first_record(void)
{
    life_check();
    struct span *a = take(3, 1, false), *b = take(200, 1, false);
    for (size_t i = 0; i < 3; i++) require(span_containing(span_index(a) + i) == a, "slice %zu of the first\n", i);
    for (size_t i = 0; i < 200; i++) require(span_containing(span_index(b) + i) == b, "slice %zu of the second\n", i);
    give(b, 200);
    give(a, 3);
}

enum { NROW = 24, NJOINED = 8 }; /* of spans given in a row: these are joined at once (wait.c) */
static struct span *row[NROW];

/* Of so many slices each, one after another, and given in this order: one dirty span, and those that wait. */
static void give_row(size_t nslices)
{
    for (int i = 0; i < NROW; i++) row[i] = take(nslices, 1, false), write_to(row[i], 0, nslices);
    for (int i = 0; i < NROW; i++) give(row[i], nslices);
    require(span_state(row[0]) == SPAN_DIRTY && span_nslices(row[0]) == NJOINED * nslices, "the first are not joined\n");
    for (int i = NJOINED; i < NROW; i++) require(span_state(row[i]) == SPAN_WAITING, "number %d of a row does not wait\n", i);
    require(spans.totals.dirty == NROW * nslices && spans.totals.live == 0, "%zu slices are dirty\n", spans.totals.dirty);
}

static void spans_given_in_a_row_wait_for_the_next_of_their_size(void)
{
    life_check();
    give_row(2);
    for (int i = NROW; i-- > NJOINED;)
        require(take(2, 1, false) == row[i] && !row[i]->is_clean, "number %d was not taken in its turn\n", i);
    require(take(2, 1, false) == row[0], "when none waits one is cut off what is dirty\n");
}

static void spans_that_wait_are_joined_before_anything_clean_is_taken(void)
{
    life_check();
    give_row(2);
    require(take(3, 1, false) == row[0], "as long as something dirty is large enough they wait\n");
    require(span_state(row[NJOINED]) == SPAN_WAITING, "they do not\n");
    struct span *large = take(2 * (NROW - NJOINED) + 13, 1, false);
    require(large == row[0] + 3 && spans.totals.dirty == 0, "memory that was clean, beside %zu dirty slices\n",
            spans.totals.dirty);
    require(take(2, 2, true)->is_clean, "who wants clean memory gets it\n");
}

static void spans_that_wait_are_purged_and_grown_into(void)
{
    life_check();
    give_row(1);
    struct span *last = take(1, 1, false);
    require(last == row[NROW - 1] && take(1, 1, false) == row[NROW - 2], "two of those that wait\n");
    give(last, 1);
    require(span_extend(row[NROW - 2], 2), "not into what is free again\n");
    give(row[NROW - 2], 2);
    purge_down_to(0);
    give_row(1);
    require(span_extend(take(NJOINED, 1, false), NROW), "into those that wait\n");
    give(row[0], NROW);
    purge_down_to(0);
    give_row(1);
    purge_down_to(0);
    verify();
    require(spans.totals.dirty == 0 && reads_zero(row[0], 0, NROW), "%zu slices are dirty\n", spans.totals.dirty);
}

/* A ring of buffers, each of which comes for one that goes: they are given back in the order in which they lie. */
static void spans_that_come_and_go_in_turn_do_not_wait(void)
{
    life_check();
    for (int i = 0; i < NROW; i++) row[i] = take(1 + (size_t)i % 5, 1, false);
    for (int i = 0; i < 10 * NROW; i++) {
        struct span **oldest = &row[i % NROW];
        give(*oldest, span_nslices(*oldest));
        require(span_state(span_containing(span_index(*oldest))) == SPAN_DIRTY, "number %d waits\n", i);
        *oldest = take(1 + (size_t)i % 5, 1, false);
    }
}

static void span_take_aligns(void)
{
    life_check();
    for (size_t alignment = 1; alignment <= 1024; alignment *= 2)
        for (size_t nslices = 1; nslices < 100; nslices = 2 * nslices + 1) {
            struct span *a = take(nslices, alignment, false), *b = take(nslices, alignment, true);
            give(a, 0);
            give(b, nslices);
        }
}

static void span_too_large_is_refused(void)
{
    life_check();
    struct span *a = take(3, 1, false);
    require(!span_take((size_t)1 << 29, 1, SPAN_LARGE, false), "32 TiB\n");
    require(!span_take((size_t)1 << 47, 1, SPAN_LARGE, false), "more than there are addresses\n");
    require(!span_take(1, (size_t)1 << 46, SPAN_LARGE, false), "an alignment that nothing has\n");
    verify();
    give(a, 3);
}

/* What a fork may leave: lists and totals of which nobody knows what they are worth, and records that tile the range. */
static void spans_repair_rebuilds_everything_from_the_records(void)
{
    life_check();
    struct span *kept[20], *orphan = NULL;
    for (int i = 0; i < 20; i++) kept[i] = take((size_t)i + 1, 1, false);
    for (int i = 0; i < 20; i += 3) give(kept[i], (size_t)i / 2);
    struct span_totals before = spans.totals;
    memset(&spans.totals, 0x55, sizeof spans.totals);
    spans_repair(false);
    verify();
    require(spans.totals.live == before.live && spans.totals.dirty == before.dirty && spans.totals.clean == before.clean,
            "the totals differ\n");
    orphan = kept[1];
    speak_for(orphan, OWNER_NONE);
    spans_repair(false);
    verify();
    require(spans.totals.live == before.live - 2, "a span that no desc speaks for is free\n");
    span_set(kept[4] + 2, SPAN_LARGE, 3); /* a split, before the left part was cut */
    spans_repair(true);
    verify();
    for (int i = 2; i < 20; i++)
        if (i % 3) give(kept[i], (size_t)i + 1);
    require(spans.totals.live == 0, "%zu slices are live\n", spans.totals.live);
}

/* --- at random --- */

static void dirty_bits_are_those_of_the_model(void)
{
    static bool model[512], purged[512];
    enum { N = sizeof model };
    uint64_t state = seed_choose("dirty", unit_argument);
    life_check();
    give(take(N, 1, false), 0);
    for (int op = 0; op < 20000; op++) {
        size_t from = random_below(&state, N), n = 1 + random_below(&state, (uint32_t)(random_below(&state, 4) ? 9 : N - from)),
               count = 0;
        if (n > N - from) n = N - from;
        size_t nagain = 0;
        switch (random_below(&state, 5)) {
            case 0: dirty_wipe(from, n); memset(model + from, 0, n); break;
            case 1:
                dirty_purge(from, n);
                for (size_t i = from; i < from + n; i++) purged[i] |= model[i], model[i] = false;
                break;
            case 2:
                for (size_t i = from; i < from + n; i++) nagain += purged[i], purged[i] = false;
                require(dirty_retake(from, n) == nagain, "op %d, [%zu, %zu): %zu had been purged\n", op, from, from + n, nagain);
                break;
            default: dirty_mark(from, n); memset(model + from, 1, n);
        }
        from = random_below(&state, N), n = 1 + random_below(&state, (uint32_t)(N - from));
        size_t first = from + n, end = from;
        for (size_t i = from; i < from + n; i++)
            if (model[i]) {
                count++;
                end = i + 1;
                if (first == from + n) first = i;
            }
        require(dirty_count(from, n) == count && dirty_first(from, n) == first && dirty_end(from, n) == end,
                "op %d, [%zu, %zu): %zu dirty from %zu to %zu, should be %zu from %zu to %zu\n", op, from, from + n,
                dirty_count(from, n), dirty_first(from, n), dirty_end(from, n), count, first, end);
    }
}

enum { NLIVE = 120 };
static struct span *live[NLIVE];
static char owner_of_slice[MODEL_SLICES];

static void claim(const struct span *span, size_t from, size_t end, char as)
{
    size_t index = span_index(span);
    require(index + end <= MODEL_SLICES, "the range has grown out of the model\n");
    for (size_t i = index + from; i < index + end; i++) {
        require((owner_of_slice[i] != 0) != (as != 0), "slice %zu has two owners\n", i);
        owner_of_slice[i] = as;
    }
}

static size_t random_size(uint64_t *state)
{
    switch (random_below(state, 10)) {
    case 0: return 1 + random_below(state, 300);
    case 1: case 2: return 1 + random_below(state, 40);
    default: return 1 + random_below(state, 6);
    }
}

static void step(uint64_t *state)
{
    struct span **slot = &live[random_below(state, NLIVE)], *span = *slot;
    size_t nslices = span ? span_nslices(span) : 0;
    if (!span) {
        span = *slot =
            take(random_size(state), (size_t)1 << (random_below(state, 8) ? 0 : random_below(state, 7)), random_below(state, 2));
        claim(span, 0, span_nslices(span), 1);
        return;
    }
    switch (random_below(state, 6)) {
    case 0:
        nslices = 1 + random_below(state, (uint32_t)nslices);
        if (nslices == span_nslices(span)) return;
        claim(span, nslices, span_nslices(span), 0);
        span_cut(span, nslices);
        break;
    case 1: {
        size_t more = nslices + random_size(state);
        bool fits = span_index(span) + more <= range_limit();
        if (!span_extend(span, more)) return;
        bool is_clean = fits && dirty_count(span_index(span) + nslices, more - nslices) == 0; /* now that none waits there */
        require(span_nslices(span) == more, "extended to %zu, not %zu\n", span_nslices(span), more);
        claim(span, nslices, more, 1);
        require(!is_clean || reads_zero(span, nslices, more), "an addition said to be clean is not\n");
        break;
    }
    default: {
        /* A span that was extended or cut counts as written to whole, as large.c has it. */
        size_t ntouched = span->is_clean && random_below(state, 2) ? random_below(state, (uint32_t)nslices + 1) : nslices;
        write_to(span, 0, ntouched);
        claim(span, 0, nslices, 0);
        give(span, ntouched);
        *slot = NULL;
        return;
    }
    }
    write_to(span, 0, span_nslices(span));
    span->is_clean = false;
    verify();
}

/* So many in a row that some wait. */
static void give_many(uint64_t *state)
{
    for (int left = 30; left; left--) {
        struct span **slot = &live[random_below(state, NLIVE)], *span = *slot;
        if (!span) continue;
        write_to(span, 0, span_nslices(span));
        claim(span, 0, span_nslices(span), 0);
        give(span, span_nslices(span));
        *slot = NULL;
    }
}

static void span_laws_hold_at_random(void)
{
    uint64_t state = seed_choose("span", unit_argument);
    long nops = scaled(60000);
    life_check();
    for (long op = 0; op < nops; op++) {
        step(&state);
        if (random_below(&state, 100) == 0) give_many(&state);
        if (random_below(&state, 100) == 0) {
            size_t keep = (size_t)random_below(&state, 64) << 20;
            purge_down_to(keep);
            verify();
            require(spans.totals.dirty << SLICE_SHIFT <= keep, "%zu slices are dirty, over %zu bytes\n", spans.totals.dirty,
                    keep);
        }
        if (random_below(&state, 500) == 0) {
            spans_repair(random_below(&state, 2));
            verify();
        }
    }
    for (int i = 0; i < NLIVE; i++)
        if (live[i]) give(live[i], span_nslices(live[i]));
    require(spans.totals.live == 0, "%zu slices are live\n", spans.totals.live);
    purge_down_to(0);
    verify();
    require(spans.totals.dirty == 0, "%zu slices are dirty\n", spans.totals.dirty);
    struct span *all = take(spans.totals.clean, 1, true);
    require(all->is_clean, "after a purge everything is clean\n");
    give(all, 0);
}

/* And what is clean behind it is for blocks, when their heap wants little. */
static void span_dirty_in_part_gives_large_blocks_what_is_dirty(void)
{
    struct span *all = take(16, 1, false), *dirty = all;
    give(all, 4);
    require(take(2, 1, true) == dirty, "a large block that wants clean memory got it beside dirty memory\n");
    struct span *blocks = span_take(2, 1, SPAN_AVAILABLE, true);
    require(blocks && blocks->is_clean && span_index(blocks) == span_index(dirty) + 4, "blocks got what is dirty\n");
    span_give(blocks, 0);
}

/* Resident pages of what is told of so many free slices. */
static size_t nrecord_pages(const struct span *free, size_t nslices)
{
    static unsigned char is_resident[1 << 12];
    uintptr_t from = round_up((uintptr_t)(free + 1), PAGE), end = (uintptr_t)(free + nslices) & ~(PAGE - 1);
    size_t n = 0, npages = (end - from) / PAGE;
    require(npages <= sizeof is_resident && mincore((void *)from, end - from, is_resident) == 0, "mincore: errno %d\n", errno);
    for (size_t i = 0; i < npages; i++) n += is_resident[i] & 1;
    return n;
}

/* The free place of a large block that nobody touched, with something dirty beside it. */
static void little_is_taken_of_much_without_reading_all_records(void)
{
    enum { MUCH = 4 * GIB / SLICE_SIZE };
    struct span *little = take(3, 1, false), *much = span_take(MUCH, 1, SPAN_LARGE, true), *fence = take(1, 1, false);
    require(much == little + 3 && fence == much + MUCH, "not beside each other\n");
    span_give(much, 0);
    give(little, 3);
    uintptr_t from = round_up((uintptr_t)(much + 1), PAGE), end = (uintptr_t)(much + MUCH) & ~(PAGE - 1);
    /* the records inside say nothing, as zeros do */
    require(madvise((void *)from, end - from, MADV_DONTNEED) == 0, "madvise: errno %d\n", errno);
    for (int i = 0; i < 10; i++) span_give(span_take(5, 1, SPAN_LARGE, false), 5);
    size_t n = nrecord_pages(much, MUCH);
    require(n <= 16, "%zu pages of records were read\n", n);
    verify();
}

/* Of which the first few on the list of about their size do not. */
static void what_fits_is_found_where_the_range_cannot_grow(void)
{
    enum { N = 50, NSMALLER = 8, SIZE = 35, SMALLER = 33 };
    struct span *fits[N], *smaller[NSMALLER];
    for (int i = 0; i < N; i++) fits[i] = take(SIZE, 1, false), take(1, 1, false);
    for (int i = 0; i < NSMALLER; i++) smaller[i] = take(SMALLER, 1, false), take(1, 1, false);
    take(spans.totals.clean, 1, true);
    for (int i = 0; i < N; i++) give(fits[i], SIZE);
    for (int i = 0; i < NSMALLER; i++) give(smaller[i], SMALLER);
    os_fail(SYS_mmap, 1, (unsigned long)-1, ENOMEM);
    for (int i = 0; i < N; i++) take(SIZE, 1, false);
    require(!span_take(SIZE, 1, SPAN_LARGE, false), "there were more\n");
    os_fail(0, 0, 0, 0);
}

UNIT_MAIN(PROMISE(little_is_taken_of_much_without_reading_all_records), PROMISE(what_fits_is_found_where_the_range_cannot_grow),
          PROMISE(span_take_splits_and_gives_join), PROMISE(span_take_prefers_dirty_memory),
          PROMISE(span_dirty_in_part_gives_large_blocks_what_is_dirty), PROMISE(span_remembers_what_was_touched),
          PROMISE(span_extends_into_a_free_neighbour_only), PROMISE(span_cut_returns_the_tail),
          PROMISE(span_containing_finds_the_first_record), PROMISE(spans_given_in_a_row_wait_for_the_next_of_their_size),
          PROMISE(spans_that_wait_are_joined_before_anything_clean_is_taken), PROMISE(spans_that_wait_are_purged_and_grown_into),
          PROMISE(spans_that_come_and_go_in_turn_do_not_wait), PROMISE(span_take_aligns), PROMISE(span_too_large_is_refused),
          PROMISE(spans_repair_rebuilds_everything_from_the_records), PROMISE(dirty_bits_are_those_of_the_model),
          PROMISE(span_laws_hold_at_random))
