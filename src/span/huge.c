/* huge.c - which of the range's pages are asked to be huge.
 *
 * Above the first `huge=` bytes huge pages are asked for as the range grows: as a rule one mapping from there to the end. First
 * touch is then a fifth of the price, but a huge page is held whole, and smaller programs are no faster (figures: ../README.md).
 * Nor are they asked for while a sixteenth of what is in use has never been touched, as in spans of which a page or two are
 * carved; or a quarter may not have been: a server's buffers are written at their beginning. Where pages are dear, or with
 * huge=0, as long as a quarter has not.
 *
 * Where ordinary pages are dear, as on a host that makes page tables in software, those of 2 MiB cost fifty times a huge one, and
 * an eighth of `huge=` is enough, if three quarters of what is in use have been touched. Of blocks of more than a page malloc
 * does not know that: some pages are looked at (below).
 *
 * Where the system makes huge pages unasked (THP=always), the part that is to have ordinary ones says so, or cat would hold 2 MB.
 *
 * Where a huge page has to be made by moving others, or by a host that has let go of the memory, it takes milliseconds: so the
 * first of each step is touched, which is about to be used anyway, and when that stalls, and would not on ordinary pages as well,
 * no more are asked for until the range is twice as big.
 *
 * A block of more than twice all that has been touched is as often a reserve as an array (sort takes 648 MB, and writes into 20):
 * nothing is touched for it, and its last 32nd is on ordinary pages. */
#include "span.h"
#include "../base/bits.h"
#include "../os/map.h"
#include "../os/options.h"

static const uint64_t STALL = (uint64_t)1 << 20; /* ticks: a quarter to half a millisecond; clearing 2 MiB takes a tenth */
/* ticks for a page: 4,000 or so where the processor walks nested page tables, 25,000 where software makes them */
static const uint64_t DEAR = 10000;
static const size_t STEP = 2 * MIB / SLICE_SIZE; /* slices: a huge page */
static const size_t POPULATE_MOST = 2 * MIB;     /* of a block: a larger one may be a reserve */
/* a larger block is filled from one end, if it is not filled, and leaves little of huge pages empty */
static const size_t MAY_BE_BUFFER = 2 * MIB;

/* Whether they have been asked for where a slice is: bits for 64 steps in the record of the first, so that a block may lie there
 * untouched. */
static uint64_t *huge_of(size_t slice) { return &range.records[slice & ~(64 * STEP - 1)].huge; }
static bool is_huge(size_t slice) { return PEEK(*huge_of(slice)) >> slice / STEP % 64 & 1; }

static char *page_at(size_t slice, size_t page) { return (char *)(range.base + (slice << SLICE_SHIFT) + page * PAGE); }

/* Bytes in use that have been touched, as far as is known here: of spans of blocks what has been carved, large blocks whole. And
 * of these what is in blocks of more than a page, to MAY_BE_BUFFER, which programs do not always fill. */
struct use {
    size_t touched, unsure;
};
static struct use look_at_spans(void)
{
    struct use use = {0, 0};
    span_for_each (span) {
        enum span_state state = span_state(span);
        bool is_large = state == SPAN_LARGE || state == SPAN_KEPT;
        size_t nbytes = is_large ? span_nslices(span) << SLICE_SHIFT : limit_charge_of(span),
               block = is_large ? nbytes : PEEK(span_desc(span)->size);
        use.touched += nbytes;
        if (block > PAGE + PAGE / 8 && block <= MAY_BE_BUFFER) use.unsure += nbytes;
    }
    return use;
}

static void advise(size_t from, size_t end, bool wants_huge)
{
    if (from < end) os_advise(page_at(from, 0), (end - from) << SLICE_SHIFT, wants_huge);
}

static uint64_t ticks_to_touch(char *page)
{
    uint64_t start = bits_ticks();
    *(volatile char *)page = 0;
    return bits_ticks() - start;
}

/* Not the first page, with which a page table is made; of two, and of several looks, the least: one may be interrupted. A huge
 * page, made unasked, would be looked at instead, and held. */
static void look_at_ordinary(size_t slice)
{
    advise(slice, slice + 1, false);
    ticks_to_touch(page_at(slice, 0));
    uint64_t ticks = min_size(ticks_to_touch(page_at(slice, 1)), ticks_to_touch(page_at(slice, 2)));
    if (!range.page_ticks || ticks < range.page_ticks) __atomic_store_n(&range.page_ticks, ticks, __ATOMIC_RELAXED);
}

/* Whether a page in use has been touched; where page faults are dear, the first read of one that has not is one, even of a page
 * of zeros. It may be protected, or unmapped by now: the kernel, which makes that page, tells, without a signal. (A thread that
 * takes it away from the program between the two would have to do so within a microsecond.) Once only: then it has been. */
__attribute__((noinline, no_sanitize("thread", "address"))) static bool is_touched(const char *page)
{
    if (!os_populate_to_read(page)) return false;
    uint64_t start = bits_ticks();
    (void)*(const volatile char *)page;
    return bits_ticks() - start < range.page_ticks / 4;
}

/* What is seen of pages drawn from spans in use, on ordinary pages, in slices in which nothing is made ahead (huge_populate): how
 * many of all have been touched, and of those in large blocks and in blocks of more than a page, which need not be. What was seen
 * longer ago counts for less. */
static struct {
    uint8_t n, ntouched, nblocks, nwritten;
} sample;

/* Pages of a slice that are drawn: a page of 32, for some kernels make one to be read, too; how many are enough for a verdict,
 * and how many are many. */
enum { OF_A_SLICE = 4, ENOUGH = 32, MANY = 128 };

/* One slice of eight, but not of a power of two: blocks that lie so many apart would all be looked at in the same place. */
static size_t compared_of(size_t eight) { return 8 * eight + 5 * eight % 8; }
static bool is_compared(size_t slice) { return slice == compared_of(slice / 8); }

static void draw(size_t slice, size_t page)
{
    const struct span *span = span_containing(slice);
    enum span_state state = span_state(span);
    bool is_large = state == SPAN_LARGE;
    if (is_huge(slice) || (!is_large && (state < SPAN_CURRENT || state > SPAN_FULL))) return;
    size_t nbytes = is_large ? PEEK(span->nbytes) : limit_charge_of(span);
    bool is_sure = !is_large && PEEK(span_desc(span)->size) <= PAGE;
    for (unsigned i = 0; i < OF_A_SLICE; i++, page += 5) {
        char *at = page_at(slice, page % (SLICE_SIZE / PAGE));
        bool is_block = (size_t)(at - span_address(span)) < nbytes, was_touched = is_block && (is_sure || is_touched(at));
        sample.n++, sample.ntouched += was_touched;
        if (is_block && !is_sure) sample.nblocks++, sample.nwritten += was_touched;
    }
}

static bool is_written; /* PEEK. Seven eighths of what is in blocks that need not be */

/* Before the range grows, at what came since the last look, but for 2 MiB, which may be about to be written. */
static void look_at_use(void)
{
    static uint32_t seen; /* eights of slices */
    size_t end = (range_limit() - min_size(range_limit(), STEP)) / 8, eight = end;
    for (unsigned n = 0; eight > seen && n < ENOUGH / OF_A_SLICE; n++, eight--) draw(compared_of(eight), 4 * n);
    seen = (uint32_t)max_size(seen, end);
    __atomic_store_n(&is_written, sample.nblocks >= ENOUGH / 2 && 8 * sample.nwritten >= 7 * sample.nblocks, __ATOMIC_RELAXED);
    if (sample.n >= MANY) sample.n /= 2, sample.ntouched /= 2, sample.nblocks /= 2, sample.nwritten /= 2;
}

/* Three quarters of what is in use have been touched: a third more would be held for nothing. */
static bool is_dense(void) { return sample.n >= ENOUGH && 4 * sample.ntouched >= 3 * sample.n; }

void huge_populate(uintptr_t from, uintptr_t end)
{
    if (LIKELY(!PEEK(is_written)) || PEEK(range.page_ticks) <= DEAR || options.limit.hard || end - from > POPULATE_MOST) return;
    for (uintptr_t at = from, next; at < end; at = next) {
        size_t slice = range_index((void *)at);
        next = min_size(end, (uintptr_t)page_at(slice + 1, 0));
        if (!is_compared(slice) && !is_huge(slice)) os_populate(at, next);
    }
}

/* --- asking --- */

static void ask(size_t from, size_t end)
{
    advise(from, end, true);
    for (size_t at = from; at < end; at += STEP) __atomic_fetch_or(huge_of(at), (uint64_t)1 << at / STEP % 64, __ATOMIC_RELAXED);
}

/* Before such a border no pages are huge, even if made unasked. Under a limit, which counts what is touched, there is none. */
static size_t border_at(size_t nbytes) { return options.limit.hard ? SLICES_MAX : round_up(nbytes, 2 * MIB) >> SLICE_SHIFT; }

/* Whether little of what is in use would be held on huge pages for nothing, all that is wanted now counted as touched, and not
 * much may be. Where they are worth more a quarter is little. (Figures: ../README.md.) */
static bool is_used_whole(const struct use *use, size_t live, size_t wanted)
{
    bool are_worth_more = range.page_ticks > DEAR || !options.huge;
    size_t all = live + wanted, for_nothing = live - min_size(live, use->touched);
    return are_worth_more ? for_nothing <= all / 4 : for_nothing <= all / 16 && use->unsure <= all / 4;
}

void huge_advise(size_t from, size_t end, size_t nslices)
{
    static uint32_t next_try; /* slices */
    size_t late = border_at(options.huge), early = border_at(options.huge / 8), wanted = nslices << SLICE_SHIFT,
           live = spans.totals.live << SLICE_SHIFT;
    bool is_near = from >= early / 4 && from + nslices < late, is_known = range.page_ticks && from >= early;
    if (is_near && !is_known) look_at_ordinary(from);
    if (from >= early / 4 && range.page_ticks > DEAR) look_at_use();
    bool is_early = is_near && end > early && wanted <= live && range.page_ticks > DEAR && is_dense();
    if (is_near && is_known && !is_early && from >= late / 2) look_at_ordinary(from);
    size_t border = is_early ? early : late;
    advise(from, min_size(end, border), false);
    from = max_size(round_up(from, STEP), border);
    if (from + STEP > end) return advise(from, end, false);
    if (is_early) return ask(from, end); /* a stall is hardly dearer */
    struct use use = look_at_spans();
    size_t last = (end - 1 - nslices / 32) / STEP * STEP;
    if (from < next_try || !is_used_whole(&use, live, wanted)) return advise(from, end, false);
    if (wanted > 2 * (use.touched + 2 * MIB)) return ask(from, last), advise(last, end, false);
    ask(from, from + STEP);
    if (ticks_to_touch(page_at(from, 0)) > max_size(STALL, STEP * SLICE_SIZE / PAGE * range.page_ticks))
        next_try = (uint32_t)(2 * end), advise(from + STEP, end, false);
    else ask(from + STEP, end);
}

bool huge_may_populate(size_t slice, bool is_sure)
{
    return !options.limit.hard && !is_huge(slice) && (is_sure || PEEK(range.page_ticks) > DEAR);
}

void huge_forgo(size_t slice)
{
    uint64_t *huge = huge_of(slice), bits = is_huge(slice) ? __atomic_exchange_n(huge, 0, __ATOMIC_RELAXED) : 0;
    for (size_t at = slice & ~(64 * STEP - 1), n; bits; at += n * STEP) { /* a call for each run: 64 take milliseconds */
        for (n = 0; bits & 1; n++) bits >>= 1;
        if (n) advise(at, at + n * STEP, false);
        else n = bits_lowest(bits), bits >>= n;
    }
}

void huge_advise_again(size_t from, size_t n)
{
    for (size_t at = from, end; at < from + n; at = end) {
        for (end = round_up(at + 1, STEP); end < from + n && is_huge(end) == is_huge(at);) end += STEP;
        advise(at, min_size(end, from + n), is_huge(at));
    }
}
