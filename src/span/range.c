/* range.c - the heap range: an sbrk of our own, made of mmaps at plain hints.
 *
 * Nothing is reserved: virtual size stays honest, and RLIMIT_AS, RLIMIT_DATA and overcommit limits work as under any malloc.
 * Adjacent mappings merge, so the range stays one VMA, or a few where it has huge pages, and each table one more. Steps are an
 * eighth of the heap, at least 2 MiB, halved as long as the kernel refuses. */
#include "span.h"
#include "../os/map.h"
#include "../os/options.h"

#define TIB ((uintptr_t)1 << 40)

static const size_t STEP = 2 * MIB / SLICE_SIZE; /* slices: the least worth a system call, and a huge page */
/* as much as it has until it is so large: others wait, and system calls wait for page faults */
static const size_t DOUBLES = 16 * STEP;
/* slices that a growth of the tables admits: 64 KiB of desc, 128 of records, 512 of bits */
static const size_t TABLE_STEP = 1024;
static const size_t HOLE_MAX = 64 * GIB / SLICE_SIZE; /* how far an obstacle is skipped before growth is given up */

/* An odd number of pages short of whole GiB: AMD's first-level cache looks for a line in the one way that a hash of address bits
 * 12 to 27 names, and two lines of a set that agree in it throw each other out (Lipp et al., Take A Way, 2020, section 4). At
 * whole GiB the first desc and the first block did, at each free (figures: ../README.md). As the pages are, a desc, a record or a
 * heap (thread.c) agrees with a block only in slices 6 to 13 of each 16, and there with one page. */
static const uintptr_t DESC_DISTANCE = 16 * GIB - 0xd5 * PAGE, RECORD_DISTANCE = 48 * GIB - 0x97 * PAGE,
                       REMOTE_DISTANCE = 176 * GIB - 0x6b * PAGE;
static const uintptr_t FALLBACK = 0x670000000000; /* far from both ends; valgrind and emulators honour it too */

/* Entries of theirs that are never used, for the first should not begin a page: a load waits for stores to the same place of any
 * other, and programs write to the start of pages. A pair of 65,536 bytes, in slice 0, a byte of each page written: 125 ns, else
 * 60. */
enum { BEFORE = 24 };

enum { REDRAWS = 8 }; /* of a base that is taken: of a hole that is taken by a third all miss once in 20,000 times */

struct range range;
static uint32_t ndescs, nrecords, nremotes; /* slices that each table has entries for */

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

/* What a table was last about to get. A child of a fork in the middle of that has it mapped, and does not know that it is its
 * own. */
static struct {
    const uint32_t *covered;
    size_t before, nbytes;
    char *at;
} asked;

/* Has a table of `size`-byte entries cover `need` slices. */
static enum os_answer grow_table(void *table, size_t size, uint32_t *covered, size_t need)
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
    if (answer == OS_DONE) *covered += (uint32_t)n;
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

/* Maps the slices [at, at + step), or fewer but at least `need`, and the tables for them. Returns their number; 0 and why in
 * *answer. The tables come last: of what is refused they would keep a hundredth, and a malloc of 300 GiB took the other 3 of an
 * RLIMIT_AS of 4. */
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

/* Returns the slices that there are more, of which *first is the first; 0 and why in *answer. */
static size_t grow(size_t nslices, size_t *first, enum os_answer *answer)
{
    size_t limit = range_limit(), held = spans.totals.live + spans.totals.dirty + spans.totals.clean;
    size_t more = max_size(held / 8, min_size(held, DOUBLES)), step = max_size(round_up(max_size(nslices, more), STEP), STEP);
    for (size_t skipped = 0; skipped <= HOLE_MAX; skipped = skipped ? 2 * skipped : STEP) {
        *answer = OS_REFUSED;
        if (nslices > SLICES_MAX || limit + skipped > SLICES_MAX - nslices) return 0;
        step = min_size(step, SLICES_MAX - limit - skipped);
        size_t n = map_slices(limit + skipped, step, nslices, answer);
        if (n) {
            huge_advise(limit + skipped, limit + skipped + n, nslices);
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
