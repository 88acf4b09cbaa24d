/* huge.c: huge pages are asked for above the first huge= bytes of the range, nowhere else, and in few pieces (src/span/range.c). */
#include "api/alloc.h"
#include "api/life.h"
#include "mappings.h"
#include "os/options.h"
#include "unit.h"

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
          PROMISE(a_large_reserve_costs_what_is_written_into_it), PROMISE(moved_ranges_come_back_as_they_were),
          PROMISE(what_is_given_back_in_part_is_not_filled_up_again))
