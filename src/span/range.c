/* range.c - the heap range: an sbrk of our own, made of mmaps at plain hints.
 *
 * Nothing is reserved: virtual size stays honest, and RLIMIT_AS, RLIMIT_DATA and overcommit limits work as under any
 * malloc. Adjacent mappings merge, so the range stays one VMA, or a few where it has huge pages, and each table one more. Steps are an eighth of the heap,
 * at least 2 MiB, halved as long as the kernel refuses. */
#include "span.h"
#include "../base/bits.h"
#include "../os/map.h"
#include "../os/options.h"

#define TIB ((uintptr_t)1 << 40)

static const uint64_t STALL = (uint64_t)1 << 20; /* ticks: a quarter to half a millisecond; clearing 2 MiB takes a tenth */
static const uint64_t DEAR = 10000; /* ticks for a page: 4,000 or so where the processor walks nested page tables, 25,000 where software makes them */
static const size_t STEP = 2 * MIB / SLICE_SIZE; /* slices: the least worth a system call, and a huge page */
static const size_t TABLE_STEP = 1024; /* slices that a growth of the tables admits: 64 KiB of desc, 128 of records, 512 of bits */
static const size_t HOLE_MAX = 64 * GIB / SLICE_SIZE; /* how far an obstacle is skipped before growth is given up */

/* An odd number of pages short of whole GiB: AMD's first-level cache looks for a line in the one way that a hash of address bits 12 to 27
 * names, and two lines of a set that agree in it throw each other out (Lipp et al., Take A Way, 2020, section 4). At whole GiB the first
 * desc and the first block did, at each free (figures: ../README.md). As the pages are, a desc, a record or a heap (thread.c) agrees
 * with a block only in slices 6 to 13 of each 16, and there with one page. */
static const uintptr_t DESC_DISTANCE = 16 * GIB - 0xd5 * PAGE, RECORD_DISTANCE = 48 * GIB - 0x97 * PAGE,
                       REMOTE_DISTANCE = 176 * GIB - 0x6b * PAGE;
static const uintptr_t FALLBACK = 0x670000000000; /* far from both ends; valgrind and emulators honour it too */

/* Entries of theirs that are never used, for the first should not begin a page: a load waits for stores to the same place of any other, and
 * programs write to the start of pages. A pair of 65,536 bytes, in slice 0, a byte of each page written: 125 ns, else 60. */
enum { BEFORE = 24 };

enum { REDRAWS = 8 }; /* of a base that is taken: of a hole that is taken by a third all miss once in 20,000 times */

struct range range;
static size_t ndescs, nrecords, nremotes; /* slices that each table has entries for */

static struct {
    uintptr_t low, high;
    uint64_t random, ndraws;
} hole; /* between the program and what is mapped above it */

static void draw_base(void)
{
    uintptr_t base = FALLBACK + 2 * TIB * hole.ndraws++;
    /* The lower half of the hole, a TiB from its ends: room to grow upward, and the mmap area grows down to us last. */
    if (hole.high > hole.low && hole.high - hole.low > 6 * TIB)
        base = hole.low + TIB + hole.random % ((hole.high - hole.low) / 2 - TIB);
    range.base = base = RANGE_BASE_FORCED ? RANGE_BASE_FORCED : base & ~((2 * GIB - 128 * MIB) | (2 * MIB - 1));
    range.table = (struct desc *)(base - DESC_DISTANCE) + BEFORE;
    range.records = (struct span *)(base - RECORD_DISTANCE) + BEFORE;
    range.remote = (remote_table *)(base - REMOTE_DISTANCE);
    ndescs = nrecords = nremotes = 0;
}

void range_start(uintptr_t low, uintptr_t high, uint64_t random)
{
    hole.low = low, hole.high = high, hole.random = random;
    draw_base();
}

/* What a table was last about to get. A child of a fork in the middle of that has it mapped, and does not know that it is its own. */
static struct {
    const size_t *covered;
    size_t before, nbytes;
    char *at;
} asked;

/* Has a table of `size`-byte entries cover `need` slices. */
static enum os_answer grow_table(void *table, size_t size, size_t *covered, size_t need)
{
    if (*covered >= need) return OS_DONE;
    size_t n = round_up(need - *covered, TABLE_STEP);
    asked.nbytes = 0;
    STORE_ORDER();
    asked.covered = covered, asked.before = *covered, asked.at = (char *)table + *covered * size;
    STORE_ORDER();
    asked.nbytes = n * size;
    STORE_ORDER();
    enum os_answer answer = os_map_here(asked.at, n * size);
    if (answer == OS_DONE) *covered += n;
    else asked.nbytes = 0; /* something of somebody else's is there */
    return answer;
}

void range_repair(void)
{
    if (asked.nbytes && *asked.covered == asked.before) os_unmap(asked.at, asked.nbytes);
    asked.nbytes = 0;
}

static enum os_answer grow_tables(size_t need)
{
    enum os_answer answer = grow_table(range.table - BEFORE, sizeof *range.table, &ndescs, need + BEFORE);
    if (answer == OS_DONE) answer = grow_table(range.records - BEFORE, sizeof *range.records, &nrecords, need + BEFORE);
    return answer == OS_DONE ? grow_table(range.remote, sizeof *range.remote / REMOTE_SLICES, &nremotes, need) : answer;
}

/* Maps the slices [at, at + step), or fewer but at least `need`, and the tables for them. Returns their number; 0 and why in *answer. The tables
 * come last: of what is refused they would keep a hundredth, and a malloc of 300 GiB took the other 3 of an RLIMIT_AS of 4. */
static size_t map_slices(size_t at, size_t step, size_t need, enum os_answer *answer)
{
    void *start = (void *)(range.base + (at << SLICE_SHIFT));
    for (size_t less;; step = less) {
        less = max_size(step / 2, need);
        *answer = os_map_here(start, step << SLICE_SHIFT);
        if (*answer == OS_DONE) {
            if ((*answer = grow_tables(at + step)) == OS_DONE) return step;
            os_unmap(start, step << SLICE_SHIFT);
            less = need;
        }
        if (step == need) return 0;
    }
}

/* --- huge pages ---
 *
 * Above the first `huge=` bytes huge pages are asked for as the range grows: as a rule one mapping from there to the end. First
 * touch is then a fifth of the price, but a huge page is held whole, and smaller programs are no faster (figures: ../README.md).
 * Nor are they asked for while a quarter of what is in use has never been touched, as in spans of which a page or two are carved.
 * Where ordinary pages are dear, as on a host that makes page tables in software, those of 2 MiB cost fifty times a huge one, and an eighth of `huge=` is
 * enough for a heap that has touched seven eighths of what is in use. Of blocks of more than a page that is not known: no more than a page counts of
 * each, and those above half a megabyte do not count as growth; until some that were freed have been seen written: then three quarters, by their pages.
 *
 * Where the system makes huge pages unasked (THP=always), the part that is to have ordinary ones says so, or cat would hold 2 MB.
 *
 * Where a huge page has to be made by moving others, or by a host that has let go of the memory, it takes milliseconds: so the first
 * of each step is touched, which is about to be used anyway, and when that stalls, and would not on ordinary pages as well, no more are
 * asked for until the range is twice as big.
 * A block of more than twice all that has been touched is as often a reserve as an array (sort takes 648 MB, and writes into 20): nothing is
 * touched for it, and its last 32nd is on ordinary pages. */

/* Whether they have been asked for where a slice is: bits for 64 steps in the record of the first, so that a block may lie there untouched. */
static uint64_t *huge_of(size_t slice) { return &range.records[slice & ~(64 * STEP - 1)].huge; }
static bool is_huge(size_t slice) { return PEEK(*huge_of(slice)) >> slice / STEP % 64 & 1; }

/* Bytes in use that have been touched, as far as is known here: of spans of blocks what has been carved, large blocks by their slices. `surely`: large
 * blocks by their pages, and of each block no more than one, unless such are known to be written. */
static size_t touched_nbytes(bool surely, bool is_written)
{
    size_t sum = 0;
    span_for_each (span) {
        enum span_state state = span_state(span);
        bool is_large = state == SPAN_LARGE || state == SPAN_KEPT;
        size_t whole = span_nslices(span) << SLICE_SHIFT, nbytes = is_large ? whole : limit_charge_of(span);
        size_t size = is_large ? min_size(PEEK(span->nbytes), whole) : PEEK(span_desc(span)->size);
        if (surely && is_large) nbytes = size;
        sum += surely && !is_written && size > PAGE ? nbytes / size * PAGE : nbytes;
    }
    return sum;
}

static void advise(size_t from, size_t end, bool wants_huge)
{
    if (from < end) os_advise((void *)(range.base + (from << SLICE_SHIFT)), (end - from) << SLICE_SHIFT, wants_huge);
}

static uint64_t ticks_to_touch(size_t slice, size_t page)
{
    uint64_t start = bits_ticks();
    *(volatile char *)(range.base + (slice << SLICE_SHIFT) + page * PAGE) = 0;
    return bits_ticks() - start;
}

/* Not the first page, with which a page table is made; of two, and of several looks, the least: one may be interrupted. A huge page, made unasked, would
 * be looked at instead, and held. */
static void look_at_ordinary(size_t slice)
{
    advise(slice, slice + 1, false);
    ticks_to_touch(slice, 0);
    uint64_t ticks = min_size(ticks_to_touch(slice, 1), ticks_to_touch(slice, 2));
    if (!range.page_ticks || ticks < range.page_ticks) __atomic_store_n(&range.page_ticks, ticks, __ATOMIC_RELAXED);
}

/* How many more blocks of several pages had been written to their middle, when they were freed, than had not; at most SURE either way, and then one in 16
 * is looked at. It is read: a page fault takes longer than a miss. */
static int written;
enum { SURE = 8 };

void range_learn(const struct span *span)
{
    static uint32_t nlooks;
    if (LIKELY(PEEK(range.page_ticks) <= DEAR) || is_huge(span_index(span))) return;
    size_t size = span_state(span) == SPAN_LARGE ? span->nbytes : span_desc(span)->size;
    int sum = __atomic_load_n(&written, __ATOMIC_RELAXED);
    if (size < 2 * PAGE || ((sum == SURE || sum == -SURE) && __atomic_fetch_add(&nlooks, 1, __ATOMIC_RELAXED) % 16)) return;
    uint64_t start = bits_ticks();
    (void)*((volatile char *)span_blocks(span) + size / 2);
    sum += bits_ticks() - start < PEEK(range.page_ticks) / 4 ? sum < SURE : -(sum > -SURE);
    __atomic_store_n(&written, sum, __ATOMIC_RELAXED);
}

static void ask(size_t from, size_t end)
{
    advise(from, end, true);
    for (size_t at = from; at < end; at += STEP) __atomic_fetch_or(huge_of(at), (uint64_t)1 << at / STEP % 64, __ATOMIC_RELAXED);
}

/* Before such a border no pages are huge, even if made unasked. Under a limit, which counts what is touched, there is none. */
static size_t border_at(size_t nbytes) { return options.limit.hard ? SLICES_MAX : round_up(nbytes, 2 * MIB) >> SLICE_SHIFT; }

/* For the slices [from, end), which have just been mapped, because of a request for nslices of them. */
static void ask_for_huge(size_t from, size_t end, size_t nslices)
{
    static size_t next_try;
    size_t late = border_at(options.huge), early = border_at(options.huge / 8);
    bool is_written = __atomic_load_n(&written, __ATOMIC_RELAXED) >= SURE / 2, is_part = nslices <= STEP / 4;
    bool is_early = (is_part || is_written) && range.page_ticks > DEAR && from < late;
    bool is_near = from >= late / 2 ? !is_early : is_part && from >= early / 2 && (from < early || !range.page_ticks);
    if (is_near && from + nslices < late) look_at_ordinary(from); /* where it soon matters, not where huge ones are about to be asked for */
    size_t border = is_early ? early : late, wanted = nslices << SLICE_SHIFT, live = spans.totals.live << SLICE_SHIFT;
    advise(from, min_size(end, border), false);
    from = max_size(round_up(from, STEP), border);
    if (from + STEP > end || from < next_try) return advise(from, end, false);
    size_t touched = touched_nbytes(is_early, is_written), last = (end - 1 - nslices / 32) / STEP * STEP;
    if (touched + wanted < (live + wanted) / 8 * (is_early && !is_written ? 7 : 6)) return advise(from, end, false);
    if (wanted > 2 * (touched + 2 * MIB)) return ask(from, last), advise(last, end, false);
    if (is_early) return ask(from, end); /* a stall is hardly dearer */
    ask(from, from + STEP);
    if (ticks_to_touch(from, 0) > max_size(STALL, STEP * SLICE_SIZE / PAGE * range.page_ticks)) next_try = 2 * end, advise(from + STEP, end, false);
    else ask(from + STEP, end);
}

bool range_may_populate(size_t slice) { return !options.limit.hard && !is_huge(slice); }

void range_forgo_huge(size_t slice)
{
    uint64_t *huge = huge_of(slice), bits = is_huge(slice) ? __atomic_exchange_n(huge, 0, __ATOMIC_RELAXED) : 0;
    for (size_t at = slice & ~(64 * STEP - 1); bits; at += STEP, bits >>= 1)
        if (bits & 1) advise(at, at + STEP, false);
}

void range_advise_again(size_t from, size_t n)
{
    for (size_t at = from, end; at < from + n; at = end) {
        for (end = round_up(at + 1, STEP); end < from + n && is_huge(end) == is_huge(at);) end += STEP;
        advise(at, min_size(end, from + n), is_huge(at));
    }
}

/* Returns the slices that there are more, of which *first is the first; 0 and why in *answer. */
static size_t grow(size_t nslices, size_t *first, enum os_answer *answer)
{
    size_t limit = range_limit(), held = spans.totals.live + spans.totals.dirty + spans.totals.clean;
    size_t step = max_size(round_up(max_size(nslices, held / 8), STEP), STEP);
    for (size_t skipped = 0; skipped <= HOLE_MAX; skipped = skipped ? 2 * skipped : STEP) {
        *answer = OS_REFUSED;
        if (nslices > SLICES_MAX || limit + skipped > SLICES_MAX - nslices) return 0;
        step = min_size(step, SLICES_MAX - limit - skipped);
        size_t n = map_slices(limit + skipped, step, nslices, answer);
        if (n) {
            ask_for_huge(limit + skipped, limit + skipped + n, nslices);
            if (skipped) span_set(range.records + limit, SPAN_HOLE, skipped);
            *first = limit + skipped;
            return n;
        }
        if (*answer == OS_REFUSED || limit == 0) return 0; /* nothing there yet: rather elsewhere than behind a hole */
    }
    return 0;
}

size_t range_grow(size_t nslices, size_t *first)
{
    enum os_answer answer;
    size_t n = grow(nslices, first, &answer);
    /* As long as nothing has been given out the range may lie elsewhere: a leak sanitizer has taken 4 TiB of the hole by then. */
    for (int i = 0; !n && answer == OS_TAKEN && range_limit() == 0 && i < REDRAWS; i++) {
        hole.random = hole.random * 6364136223846793005 + 1442695040888963407; /* Knuth's MMIX */
        draw_base();
        n = grow(nslices, first, &answer);
    }
    return n;
}
