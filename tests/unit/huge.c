/* huge.c: huge pages are asked for above the first huge= bytes of the range, or an eighth of them where pages are dear, and in
 * few pieces (src/span/huge.c). */
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
    for (size_t taken = 0; taken < (size_t)1 << 29; taken += PAGE) require(alloc_malloc(PAGE) != NULL, "out of memory\n");
    struct mappings seen = mappings_look();
    require(seen.nadvised >= 1 && seen.first_advised >= options.huge && seen.first_advised < 2 * options.huge,
            "%u mappings advised, from %zu on\n", seen.nadvised, seen.first_advised);
    require(seen.n <= 7, "%u mappings: 128 MiB doubles twice to 512\n", seen.n);
}

/* A page costs so much to touch. What the library measures, up to an eighth of huge=, depends on the host; afterwards it stays as
 * it is set. */
static const uint64_t CHEAP = 1 << 11, DEAR = 1 << 15;

/* A heap of blocks of so many bytes, of 96 MiB where huge= is 64, and pages are cheap. */
static bool is_advised(size_t size)
{
    options.huge = 64 * MIB;
    range.page_ticks = CHEAP;
    while (range_limit() * SLICE_SIZE < options.huge / 2 * 3) require(alloc_malloc(size) != NULL, "out of memory\n");
    return mappings_look().nadvised > 0;
}

/* The spans of all classes, with a block in each: a tenth of what is in use, as in a process of many threads, which has such for
 * each of them. */
static void where_a_tenth_is_never_touched_none_are_advised(void)
{
    class_serve_all();
    for (unsigned class = NSMALL; class < NCLASSES; class ++) alloc_malloc(class_table[class].size);
    require(!is_advised(PAGE), "advised for spans that would be held whole\n");
}

/* Each in a process of its own. Larger ones, too, are often filled in part, but from one end, and what is left of them lies on
 * pages of their own. */
static void for_blocks_that_may_be_filled_in_part_none_are_advised(void)
{
    enum { ADVISED = 42, NOT_ADVISED };
    static const struct {
        const char *size;
        bool shall_be;
    } HEAPS[] = {{"1000", true}, {"4096", true}, {"8000", false}, {"300000", false}, {"3000000", true}};
    if (!has_huge_pages()) return say("skipped: this kernel has no huge pages\n");
    if (unit_argument) _exit(is_advised(strtoul(unit_argument, NULL, 10)) ? ADVISED : NOT_ADVISED);
    for (unsigned i = 0; i < sizeof HEAPS / sizeof *HEAPS; i++) {
        int status = unit_run(__func__, HEAPS[i].size);
        require(WEXITSTATUS(status) == (HEAPS[i].shall_be ? ADVISED : NOT_ADVISED), "of %s bytes: status %x\n", HEAPS[i].size,
                status);
    }
}

/* The least of some page faults. Where they are cheap the library could not tell a page that has been touched from one that has
 * not, and does not try. */
static bool are_pages_dear(void)
{
    enum { N = 16 };
    volatile char *pages = mmap(NULL, N * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t least = UINT64_MAX;
    for (int i = 1; i < N; i++) {
        uint64_t start = bits_ticks();
        pages[i * PAGE] = 1;
        least = min_size(least, bits_ticks() - start);
    }
    return least > DEAR / 4;
}

static void *make(size_t size, size_t nwritten)
{
    void *block = alloc_malloc(size);
    require(block != NULL, "out of memory\n");
    return memset(block, 1, nwritten);
}

/* A heap of blocks of so many bytes, of which so many are written. */
static void grow_to(size_t nbytes, size_t size, size_t nwritten)
{
    while (range_limit() * SLICE_SIZE < nbytes) make(size, nwritten);
}

/* To 48 MiB. */
static size_t first_advised(uint64_t page_ticks, size_t size, size_t nwritten)
{
    grow_to(options.huge / 8, size, nwritten);
    range.page_ticks = page_ticks;
    grow_to((size_t)48 << 20, size, nwritten);
    return mappings_look().first_advised;
}

/* The first is touched as it is carved. */
static const size_t SIZES[] = {100, 20000, SLICE_SIZE - 100, 320 << 10, (1 << 20) - 4096};

/* Each in a process of its own, with its size as the argument. */
static void for_each_size(const char *promise, unsigned first, void (*check)(size_t size))
{
    char argument[32];
    if (unit_argument) return check(strtoul(unit_argument, NULL, 10));
    for (unsigned i = first; i < sizeof SIZES / sizeof *SIZES; i++) {
        snprintf(argument, sizeof argument, "%zu", SIZES[i]);
        require(unit_run(promise, argument) == 0, "of %s bytes\n", argument);
    }
}

static void check_written(size_t size)
{
    size_t first = first_advised(DEAR, size, size);
    require(first >= options.huge / 8 && first < options.huge / 4, "from %zu on\n", first);
}

static void where_pages_are_dear_blocks_that_are_written_are_on_huge_ones_from_an_eighth(void)
{
    if (!has_huge_pages()) return say("skipped: this kernel has no huge pages\n");
    for_each_size(__func__, 0, check_written);
}

static void check_not_written(size_t size)
{
    if (!are_pages_dear()) return say("skipped: pages are cheap here\n");
    require(first_advised(DEAR, size, 16) == SIZE_MAX, "advised for blocks of which a page is touched\n");
}

static void where_pages_are_dear_blocks_that_are_not_written_are_not(void) { for_each_size(__func__, 1, check_not_written); }

/* What a block of 44 KiB leaves of its slice would be held for nothing. */
static void where_pages_are_dear_and_a_third_is_in_no_block_they_are_not(void)
{
    require(first_advised(DEAR, 44 << 10, 44 << 10) == SIZE_MAX, "a third of each slice is never touched\n");
}

/* Each second slice is: as are those that are looked at, if these were a power of two apart. */
static void where_pages_are_dear_and_half_of_each_block_is_written_they_are_not(void)
{
    if (!are_pages_dear()) return say("skipped: pages are cheap here\n");
    if (unit_argument) alloc_malloc(SLICE_SIZE); /* of the other parity */
    else require(unit_run(__func__, "odd") == 0, "with the other half looked at\n");
    require(first_advised(DEAR, 2 * SLICE_SIZE, SLICE_SIZE) == SIZE_MAX, "half of what is in use is never touched\n");
}

static void where_pages_are_cheap_they_are_not(void)
{
    require(first_advised(CHEAP, 100, 100) == SIZE_MAX, "advised below huge=\n");
}

/* Adds a block's pages, and those that are resident. */
static void count(char *block, size_t size, size_t *npages, size_t *nresident)
{
    unsigned char pages[1024];
    char *from = (char *)round_up((uintptr_t)block, PAGE);
    size_t n = (size_t)(block + size - from) / PAGE;
    require(mincore(from, n * PAGE, pages) == 0, "mincore\n");
    for (size_t i = 0; i < n; i++) *nresident += pages[i] & 1;
    *npages += n;
}

/* Per cent of the pages of 2 MiB in new blocks of so many bytes, after 12 MiB of which so many bytes each have been written. */
static size_t resident_of_new(uint64_t page_ticks, size_t size, size_t nwritten)
{
    size_t npages = 0, nresident = 0;
    grow_to((size_t)4 << 20, size, nwritten);
    range.page_ticks = page_ticks;
    grow_to((size_t)12 << 20, size, nwritten);
    for (size_t taken = 0; taken < 2 * MIB; taken += size) count(alloc_malloc(size), size, &npages, &nresident);
    return nresident * 100 / npages;
}

/* In one slice of eight none are, for the comparison. */
static void check_made_ahead(size_t size)
{
    if (!are_pages_dear()) return say("skipped: pages are cheap here\n");
    size_t share = resident_of_new(DEAR, size, size);
    require(share >= 75 && share <= 95, "%zu %%\n", share);
}

static void where_pages_are_dear_those_of_blocks_are_made_ahead_if_blocks_are_written(void)
{
    for_each_size(__func__, 1, check_made_ahead);
}

static void check_not_made_ahead(size_t size)
{
    if (!are_pages_dear()) return say("skipped: pages are cheap here\n");
    size_t share = resident_of_new(DEAR, size, 16);
    require(share <= 15, "%zu %%\n", share);
}

static void where_pages_are_dear_those_of_blocks_are_not_made_ahead_if_blocks_are_not_written(void)
{
    for_each_size(__func__, 1, check_not_made_ahead);
}

static void where_pages_are_cheap_none_are_made_ahead(void)
{
    require(resident_of_new(CHEAP, 320 << 10, 320 << 10) <= 15, "made\n");
}

/* The library looks at pages in use; what the program has done to them is no harm, nor taken for written. */
static void pages_that_may_not_be_read_are_not_looked_at_by_reading(void)
{
    size_t nbytes = 320 << 10;
    for (size_t taken = 0; taken < (size_t)40 << 20; taken += nbytes) {
        char *block = alloc_malloc(nbytes);
        require(block && mprotect(block, nbytes, PROT_NONE) == 0, "no block\n");
        if (range_limit() * SLICE_SIZE >= 4 * MIB) range.page_ticks = DEAR;
    }
    require(mappings_look().nadvised == 0, "taken for written\n");
}

static void take_to(size_t nslices)
{
    while (range_limit() < nslices) require(alloc_malloc(100) != NULL, "out of memory\n");
}

/* And not where it has asked for huge ones: there the first touch makes one, or with an ordinary page none. */
static void what_a_page_costs_is_seen_before_it_matters(void)
{
    size_t early = (options.huge / 8) >> SLICE_SHIFT;
    take_to(early / 8);
    require(range.page_ticks == 0, "a small heap has looked\n");
    take_to(early / 2);
    require(range.page_ticks != 0, "nobody has looked\n");
    take_to(early * 5 / 4);
    range.page_ticks = UINT64_MAX;
    take_to(early * 7);
    require(range.page_ticks == UINT64_MAX, "looked at what was asked for\n");
}

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

/* 64 MiB that have been asked for, free and purged; in them 10 MB of blocks, of which every 16th stays, and what that leaves free
 * goes back. */
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

/* On huge pages, and on ordinary ones where huge ones have been forgone: a range without either's word would not join its
 * neighbours. */
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
          PROMISE(where_a_tenth_is_never_touched_none_are_advised),
          PROMISE(for_blocks_that_may_be_filled_in_part_none_are_advised),
          PROMISE(where_pages_are_dear_blocks_that_are_written_are_on_huge_ones_from_an_eighth),
          PROMISE(where_pages_are_dear_blocks_that_are_not_written_are_not),
          PROMISE(where_pages_are_dear_and_a_third_is_in_no_block_they_are_not),
          PROMISE(where_pages_are_dear_and_half_of_each_block_is_written_they_are_not),
          PROMISE(where_pages_are_cheap_they_are_not),
          PROMISE(where_pages_are_dear_those_of_blocks_are_made_ahead_if_blocks_are_written),
          PROMISE(where_pages_are_dear_those_of_blocks_are_not_made_ahead_if_blocks_are_not_written),
          PROMISE(where_pages_are_cheap_none_are_made_ahead), PROMISE(pages_that_may_not_be_read_are_not_looked_at_by_reading),
          PROMISE(what_a_page_costs_is_seen_before_it_matters), PROMISE(a_large_reserve_costs_what_is_written_into_it),
          PROMISE(moved_ranges_come_back_as_they_were), PROMISE(what_is_given_back_in_part_is_not_filled_up_again))
