/* obstacle.c: something else lives where the heap wants to grow. */
#include "api/alloc.h"
#include "api/life.h"
#include "guard/diagnose.h"
#include "unit.h"
#include "watch/watch.h"

#include <sys/mman.h>

static void sound(void) { require(watch_verify() == 0, "the heap is broken\n"); }

/* Puts a page of somebody else's there. */
static char *occupy(void *address)
{
    char *p = mmap(address, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    require(p == address, "cannot map a page at %p: errno %d\n", address, errno);
    memset(p, 0x66, 4096);
    return p;
}

static char *end_of_range(void) { return (char *)range.base + (range_limit() << SLICE_SHIFT); }

static int find_hole(const struct mspace_item *item, void *page)
{
    char *address = item->address;
    return item->kind == MSPACE_SPAN && item->state == MSPACE_FOREIGN && address <= *(char **)page &&
           *(char **)page < address + item->size;
}

/* Allocates until the range has grown over the obstacle, and checks all that was given. */
static void grow_past(char *page)
{
    enum { N = 200, SIZE = 3 << 20 };
    static char *blocks[N];
    for (int i = 0; i < N; i++) {
        require((blocks[i] = alloc_malloc(SIZE)) != NULL, "out of memory after %d blocks\n", i);
        memset(blocks[i], i, SIZE);
    }
    require(end_of_range() > page, "the range has not grown over it\n");
    for (int i = 0; i < N; i++) require(is_filled(blocks[i], SIZE, i), "block %d has changed\n", i);
    require(is_filled(page, 4096, 0x66), "the foreign page has changed\n");
    sound();
    for (int i = 0; i < N; i++) alloc_free(blocks[i]);
    sound();
    require(is_filled(page, 4096, 0x66), "the foreign page has changed at a free\n");
}

static void obstacle_right_behind_the_range_is_skipped(void)
{
    alloc_malloc(100);
    char *page = occupy(end_of_range());
    grow_past(page);
    require(mspace_walk(find_hole, &page) == 1, "the walk does not call it foreign\n");
    require(diagnose_inside(page).crime == CRIME_UNUSED && alloc_usable_size(page) == 0 && mspacer(page) == 1,
            "a pointer into it is taken for ours\n");
}

static void obstacle_further_on_is_skipped(void)
{
    alloc_malloc(100);
    char *page = occupy(end_of_range() + 5 * SLICE_SIZE + 4096);
    grow_past(page);
    require(mspace_walk(find_hole, &page) == 1, "the walk does not call it foreign\n");
}

static void several_obstacles_are_skipped(void)
{
    char *pages[5];
    alloc_malloc(100);
    for (int i = 0; i < 5; i++) pages[i] = occupy(end_of_range() + (size_t)i * 7 * MIB + (size_t)i * 4096);
    grow_past(pages[4]);
    for (int i = 0; i < 5; i++) {
        require(is_filled(pages[i], 4096, 0x66), "foreign page %d has changed\n", i);
        require(mspace_walk(find_hole, &pages[i]) == 1, "page %d is not called foreign\n", i);
    }
}

static void obstacle_that_goes_away_does_not_matter(void)
{
    alloc_malloc(100);
    char *page = occupy(end_of_range());
    grow_past(page);
    munmap(page, 4096);
    for (int i = 0; i < 100; i++) require(alloc_malloc(3 << 20) != NULL, "out of memory\n");
    sound();
}

/* The tables cannot go round anything: then there is no more memory, and no harm. */
static void blocked(char *table, size_t entry)
{
    enum { FIRST_STEP = 1024 };     /* slices that a table admits at first: range.c */
    static void *blocks[100];
    int n = 0;
    alloc_malloc(100);
    require(range_limit() < FIRST_STEP, "the range is larger than this test expects\n");
    char *first = table - (uintptr_t)table % 4096; /* before it are entries that nobody uses */
    char *page = occupy(first + FIRST_STEP * entry);
    while (n < 100 && (blocks[n] = alloc_malloc(3 << 20)) != NULL) n++;
    require(n >= 15, "only %d blocks of 3 MiB fit into the first 64 MiB\n", n);
    require(n < 100 && errno == ENOMEM, "errno %d after %d blocks\n", errno, n);
    require(is_filled(page, 4096, 0x66), "the foreign page has changed\n");
    sound();
    for (int i = 0; i < n; i++) alloc_free(blocks[i]);
    require(alloc_malloc(30 << 20) != NULL, "what is free again cannot be used\n");
    munmap(page, 4096);
    require(alloc_malloc((size_t)1 << 30) != NULL, "without the obstacle it cannot grow\n");
    sound();
}

static void obstacle_behind_the_descs_is_out_of_memory(void)
{
    life_check();
    blocked((char *)range.table, sizeof(struct desc));
}

static void obstacle_behind_the_records_is_out_of_memory(void)
{
    life_check();
    blocked((char *)range.records, sizeof(struct span));
}

/* As a sanitizer's heap of 4 TiB, or somebody's sandbox: tables and range are all in it. */
static void range_that_is_taken_at_start_is_drawn_again(void)
{
    static const size_t GIB_BELOW = 1000, GIB_ABOVE = 1000;
    life_check();
    char *base = (char *)range.base, *from = base - (GIB_BELOW << 30);
    size_t size = (GIB_BELOW + GIB_ABOVE) << 30;
    void *taken = mmap(from, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    require(taken == from, "the obstacle cannot be put there: errno %d\n", errno);
    char *p = alloc_malloc(100), *q = alloc_malloc(100 << 20);
    require(p && q, "no memory beside an obstacle\n");
    require((size_t)(p - from) >= size && (size_t)(q - from) >= size, "memory in somebody else's mapping\n");
    memset(q, 1, 100 << 20);
    alloc_free(p);
    alloc_free(q);
    sound();
}

UNIT_MAIN(PROMISE(range_that_is_taken_at_start_is_drawn_again), PROMISE(obstacle_right_behind_the_range_is_skipped),
          PROMISE(obstacle_further_on_is_skipped), PROMISE(several_obstacles_are_skipped),
          PROMISE(obstacle_that_goes_away_does_not_matter), PROMISE(obstacle_behind_the_descs_is_out_of_memory),
          PROMISE(obstacle_behind_the_records_is_out_of_memory))
