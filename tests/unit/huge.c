/* huge.c: huge pages are asked for above the first huge= bytes of the range, or an eighth of them where pages are dear, and in few pieces (src/span/range.c). */
#include "api/alloc.h"
#include "api/life.h"
#include "base/bits.h"
#include "mappings.h"
#include "os/options.h"
#include "unit.h"

#include <sys/mman.h>

static bool has_huge_pages(void) { return access("/sys/kernel/mm/transparent_hugepage/enabled", R_OK) == 0; }

static void small_heaps_keep_to_ordinary_pages(void)
{
    for (size_t taken = 0; taken < options.huge / 2; taken += 100000) require(alloc_malloc(100000) != NULL, "out of memory\n");
    require(mappings_look().nadvised == 0, "advised below huge=\n");
}

/* Where the first page of a step stalls, the rest is not asked for until the range has doubled: a seam more on either side. */
static void big_heaps_are_advised_in_few_runs(void)
{
    if (!has_huge_pages()) return say("skipped: this kernel has no huge pages\n");
    for (size_t taken = 0; taken < (size_t)1 << 29; taken += 1 << 20) require(alloc_malloc(1 << 20) != NULL, "out of memory\n");
    struct mappings seen = mappings_look();
    require(seen.nadvised >= 1 && seen.first_advised >= options.huge && seen.first_advised < 2 * options.huge,
            "%u mappings advised, from %zu on\n", seen.nadvised, seen.first_advised);
    require(seen.n <= 7, "%u mappings: 128 MiB doubles twice to 512\n", seen.n);
}

/* A page costs so much to touch; what the library measures depends on the host. */
static const uint64_t CHEAP = 1 << 11, DEAR = 1 << 15;

/* 40 MiB in blocks of so many bytes. */
static size_t first_advised_after(uint64_t page_ticks, size_t size)
{
    range.page_ticks = page_ticks;
    for (size_t taken = 0; taken < (size_t)40 << 20; taken += size) require(alloc_malloc(size) != NULL, "out of memory\n");
    return mappings_look().first_advised;
}

static void where_pages_are_dear_blocks_are_on_huge_ones_from_an_eighth(void)
{
    if (!has_huge_pages()) return say("skipped: this kernel has no huge pages\n");
    size_t first = first_advised_after(DEAR, 100);
    require(first >= options.huge / 8 && first < options.huge / 4, "from %zu on\n", first);
}

static void where_pages_are_dear_blocks_that_may_not_be_written_are_not(void)
{
    static const size_t SIZES[] = {20000, 60000, 320 << 10, (1 << 20) - 4096};
    size_t size = unit_argument ? strtoul(unit_argument, NULL, 10) : 0;
    char argument[32];
    if (size) require(first_advised_after(DEAR, size) == SIZE_MAX, "blocks of %zu bytes\n", size);
    for (unsigned i = 0; !size && i < sizeof SIZES / sizeof *SIZES; i++) {
        snprintf(argument, sizeof argument, "%zu", SIZES[i]);
        require(unit_run("where_pages_are_dear_blocks_that_may_not_be_written_are_not", argument) == 0, "of %s bytes\n", argument);
    }
}

/* Blocks of 8 MiB together, that many bytes of each written, are freed before the heap grows by others. */
static size_t first_advised_after_blocks_written(uint64_t page_ticks, size_t size, size_t nbytes, size_t then)
{
    static void *blocks[1000];
    size_t n = min_size((8 << 20) / size, 1000);
    range.page_ticks = page_ticks;
    for (size_t i = 0; i < n; i++) memset(blocks[i] = alloc_malloc(size), 1, nbytes);
    for (size_t i = 0; i < n; i++) alloc_free(blocks[i]);
    return first_advised_after(page_ticks, then);
}

static void where_pages_are_dear_and_large_blocks_were_written_they_are(void)
{
    if (!has_huge_pages()) return say("skipped: this kernel has no huge pages\n");
    size_t first = first_advised_after_blocks_written(DEAR, 320 << 10, 320 << 10, 320 << 10);
    require(first >= options.huge / 8 && first < options.huge / 4, "from %zu on\n", first);
}

static void where_pages_are_dear_and_medium_blocks_were_written_they_are(void)
{
    if (!has_huge_pages()) return say("skipped: this kernel has no huge pages\n");
    size_t first = first_advised_after_blocks_written(DEAR, 20000, 20000, 20000);
    require(first >= options.huge / 8 && first < options.huge / 4, "from %zu on\n", first);
}

/* What a block of 44 KiB leaves of its slice would be held for nothing. */
static void where_pages_are_dear_and_a_third_is_in_no_block_they_are_not(void)
{
    if (!has_huge_pages()) return say("skipped: this kernel has no huge pages\n");
    require(first_advised_after_blocks_written(DEAR, 320 << 10, 320 << 10, 44 << 10) == SIZE_MAX, "a third of each slice is never touched\n");
}

/* The least of some page faults, of reads. */
static uint64_t ticks_of_a_fault(void)
{
    enum { N = 16 };
    volatile char *pages = mmap(NULL, N * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < N; i++) {
        uint64_t start = bits_ticks();
        (void)pages[i * PAGE];
        uint64_t ticks = bits_ticks() - start;
        if (ticks < least) least = ticks;
    }
    return least;
}

static void where_pages_are_dear_and_large_blocks_were_written_in_part_they_are_not(void)
{
    uint64_t ticks = 10001; /* just dear, so that a quarter of it is as little as can be */
    if (!has_huge_pages()) return say("skipped: this kernel has no huge pages\n");
    if (ticks_of_a_fault() < ticks / 2) return say("skipped: a page fault is too cheap here to be told from a miss\n");
    require(first_advised_after_blocks_written(ticks, 320 << 10, 100, 320 << 10) == SIZE_MAX, "advised for blocks of which a page is touched\n");
}

static void take_to(size_t nslices)
{
    while (range_limit() < nslices) require(alloc_malloc(100) != NULL, "out of memory\n");
}

/* And not where it has asked for huge ones: there the first touch makes one, or with an ordinary page none. */
static void what_a_page_costs_is_seen_before_it_matters(void)
{
    size_t early = (options.huge / 8) >> SLICE_SHIFT;
    take_to(early / 4);
    require(range.page_ticks == 0, "a small heap has looked\n");
    take_to(early * 3 / 4);
    require(range.page_ticks != 0, "nobody has looked\n");
    take_to(early * 5 / 4);
    range.page_ticks = UINT64_MAX;
    take_to(early * 7);
    require(range.page_ticks == UINT64_MAX, "looked at what was asked for\n");
}

static void where_pages_are_cheap_they_are_not(void) { require(first_advised_after(CHEAP, 100) == SIZE_MAX, "advised below huge=\n"); }

/* As sort(1) has one: what nobody writes into costs nothing, and what is written at its ends a few pages. */
static void a_large_reserve_costs_what_is_written_into_it(void)
{
    enum { SIZE = 1 << 30, WRITTEN = 8 << 20, SPARE = 512 << 10 };
    alloc_malloc(1);
    size_t before = resident_nbytes();
    char *reserve = alloc_malloc(SIZE);
    memset(reserve, 1, WRITTEN);
    memset(reserve + SIZE - WRITTEN, 1, WRITTEN);
    size_t after = resident_nbytes();
    require(after - before <= 2 * WRITTEN + SPARE, "%zu bytes for %d\n", after - before, 2 * WRITTEN);
    require(!has_huge_pages() || mappings_look().nadvised > 0, "nothing of it is on huge pages\n");
}

/* 64 MiB that have been asked for, free and purged; in them 10 MB of blocks, of which every 16th stays, and what that leaves free goes back. */
static void ask_and_leave_some(size_t size, void (*give_back)(void))
{
    static void *blocks[5000];
    size_t n = 10000000 / size;
    options.huge = 0;
    alloc_free(alloc_malloc(64 << 20));
    purge_down_to(0);
    require(mappings_look().nadvised > 0, "nothing was asked for, or it was forgone with nothing held\n");
    for (size_t i = 0; i < n; i++) memset(blocks[i] = alloc_malloc(size), 1, size);
    for (size_t i = 0; i < n; i++)
        if (i % 16) alloc_free(blocks[i]);
    give_back();
    require(mappings_look().nadvised == 0, "where %zu bytes stay and others went the system may put a huge page\n", size);
}

static void trim_blocks(void) { require(heap_trim(heap_own()) > 0, "nothing was trimmed\n"); }
static void purge_spans(void) { require(purge_down_to(0) > 0, "nothing was purged\n"); }

static void move_and_come_back(void)
{
    struct mappings before = mappings_look();
    char *p = alloc_malloc(8 << 20), *fence = alloc_malloc(8 << 20);
    memset(p, 1, 8 << 20);
    p = alloc_realloc(p, 24 << 20);
    require(seam_count() == 1 && mappings_look().n > before.n, "nothing was moved\n");
    alloc_free(p);
    alloc_free(fence);
    purge_down_to(0);
    struct mappings after = mappings_look();
    require(after.n == before.n && after.nadvised == before.nadvised, "%u mappings, %u advised, instead of %u, %u\n", after.n,
            after.nadvised, before.n, before.nadvised);
}

/* On huge pages, and on ordinary ones where huge ones have been forgone: a range without either's word would not join its neighbours. */
static void moved_ranges_come_back_as_they_were(void)
{
    if (!has_huge_pages()) return say("skipped: this kernel has no huge pages\n");
    if (unit_argument) return ask_and_leave_some(100000, purge_spans), move_and_come_back(); /* in a process of its own */
    require(unit_run("moved_ranges_come_back_as_they_were", "forgone") == 0, "on ordinary pages\n");
    options.huge = 0;
    alloc_free(alloc_malloc(64 << 20));
    purge_down_to(0);
    move_and_come_back();
}

/* khugepaged would: of 144 MB that were left of 908, 26 MB on pages once huge, 166 were held after half a minute. */
static void what_is_given_back_in_part_is_not_filled_up_again(void)
{
    if (!has_huge_pages()) return say("skipped: this kernel has no huge pages\n");
    if (unit_argument) return ask_and_leave_some(10000, trim_blocks); /* in a process of its own */
    require(unit_run("what_is_given_back_in_part_is_not_filled_up_again", "blocks") == 0, "blocks inside spans\n");
    ask_and_leave_some(100000, purge_spans);
}

UNIT_MAIN(PROMISE(small_heaps_keep_to_ordinary_pages), PROMISE(big_heaps_are_advised_in_few_runs),
          PROMISE(where_pages_are_dear_blocks_are_on_huge_ones_from_an_eighth), PROMISE(where_pages_are_dear_blocks_that_may_not_be_written_are_not),
          PROMISE(where_pages_are_dear_and_large_blocks_were_written_they_are), PROMISE(where_pages_are_dear_and_medium_blocks_were_written_they_are),
          PROMISE(where_pages_are_dear_and_a_third_is_in_no_block_they_are_not), PROMISE(what_a_page_costs_is_seen_before_it_matters),
          PROMISE(where_pages_are_dear_and_large_blocks_were_written_in_part_they_are_not), PROMISE(where_pages_are_cheap_they_are_not),
          PROMISE(a_large_reserve_costs_what_is_written_into_it), PROMISE(moved_ranges_come_back_as_they_were),
          PROMISE(what_is_given_back_in_part_is_not_filled_up_again))
