/* large.c: laws of blocks that are a span each, and of realloc in all sizes (src/heap/large.h, src/api/resize.c). */
#include "fail.h"
#include "os/options.h"
#include "slices.h"

#include <errno.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static void large_usable_size_is_whole_pages(void)
{
    for (size_t size = MEDIUM_MAX + 1; size < 3 << 20; size += 12345) {
        unsigned char *p = get(size, 1);
        require(alloc_usable_size(p) == round_up(size, PAGE) && (uintptr_t)p % S < 2 * PAGE, "%zu bytes: %zu usable\n", size,
                alloc_usable_size(p));
        alloc_free(p);
    }
    sound();
}

static void large_is_freed_once(void)
{
    unsigned char *p = get(1 << 20, 1), *fence = get(1 << 20, 1);
    require(large_of(p) && !large_of(p + 16) && !large_of(p + S), "large_of tells starts from the rest\n");
    require(large_free(p) && !large_free(p) && !large_of(p), "the second time\n");
    require(!large_free(fence + S), "the inside\n");
    sound();
}

static void realloc_grows_in_place_into_a_free_neighbour(void)
{
    unsigned char *p = get(8 * S, 0x11), *neighbour = get(8 * S, 0x22), *fence = get(8 * S, 0x33);
    require(neighbour == p + 8 * S && fence == neighbour + 8 * S, "three in a row\n");
    alloc_free(neighbour);
    unsigned char *q = alloc_realloc(p, 12 * S);
    require(q == p && is_filled(q, 8 * S, 0x11) && alloc_usable_size(q) == 12 * S, "it has moved\n");
    require(alloc_realloc(p, 16 * S) == p, "into the rest\n");
    require(is_filled(fence, 8 * S, 0x33), "the one behind has changed\n");
    q = alloc_realloc(p, 17 * S);
    require(q != p && is_filled(q, 8 * S, 0x11), "there is no room\n");
    sound();
}

/* Somebody else takes what is behind it after each step: a quarter more each time is log(128 / 8) / log(1.25) = 12.4 moves. */
static void realloc_by_steps_moves_seldom(void)
{
    unsigned char *p = get(8 * S, 0x11);
    int nmoves = 0;
    for (size_t n = 9; n <= 128; n++) {
        get(5 * S, 0x22);
        unsigned char *q = alloc_realloc(p, n * S);
        require(q && is_filled(q, 8 * S, 0x11), "contents\n");
        nmoves += q != p;
        p = q;
    }
    require(nmoves <= 14, "moved %d times in 120 steps\n", nmoves);
    alloc_free(p);
    sound();
}

/* A quarter of it, or a megabyte: less waits for who grows again. */
static void realloc_to_less_returns_the_tail(void)
{
    unsigned char *p = get(60 * S, 0x11), *fence = get(8 * S, 0x22);
    size_t live = spans.totals.live;
    require(alloc_realloc(p, 46 * S) == p && alloc_usable_size(p) == 46 * S && spans.totals.live == live, "a little came back\n");
    require(alloc_realloc(p, 44 * S) == p && is_filled(p, 44 * S, 0x11), "in place\n");
    require(spans.totals.live == live - 16, "%zu slices came back\n", live - spans.totals.live);
    require(alloc_realloc(p, 33 * S) == p && spans.totals.live == live - 27, "a quarter stays\n");
    alloc_free(p);
    alloc_free(fence);
    sound();
}

static void realloc_moves_pages_and_keeps_their_contents(void)
{
    size_t moved = seam_count();
    unsigned char *p = get(4 << 20, 0x11);
    get(8 * S, 0x22);
    unsigned char *q = alloc_realloc(p, 12 << 20);
    require(q != p && is_filled(q, 4 << 20, 0x11), "contents\n");
    require(seam_count() == moved + 1, "copied, not moved\n");
    memset(q, 0x33, 12 << 20);
    unsigned char *again = alloc_calloc(1, 4 << 20);    /* perhaps where it was */
    require(is_filled(again, 4 << 20, 0), "calloc in the place that was left is not zero\n");
    require(is_filled(q, 12 << 20, 0x33), "the moved block has changed\n");
    alloc_free(q);
    purge_down_to(0);
    require(seam_count() == moved, "purging heals moved ranges\n");
    q = alloc_calloc(1, 12 << 20);
    require(is_filled(q, 12 << 20, 0), "calloc in the place that was healed is not zero\n");
    alloc_free(q);
    alloc_free(again);
    sound();
}

/* As where mremap cannot: one that was moved already, on Linux before 6.17, or any, past the budget. */
static void realloc_of_a_big_block_is_never_twice_resident(void)
{
    for (int round = 0; round < 2; round++) {
        unsigned char *p = get(80 << 20, 0x11);
        while ((unsigned char *)alloc_malloc(10 << 20) != p + (80 << 20)) {
        }
        if (round == 0) options.mremap = false;
        else os_fail(SYS_mremap, 1, 1, ENOMEM); /* when it has moved half */
        size_t dirty = spans.totals.dirty;
        unsigned char *q = alloc_realloc(p, 100 << 20);
        require(q != p, "in place\n");
        require(is_filled(q, 80 << 20, 0x11) && is_filled(q + (80 << 20), 20 << 20, 0), "contents\n");
        require(spans.totals.dirty <= dirty, "its old place is kept\n");
        require(seam_count() == 0, "moved\n");
        alloc_free(q);
        options.mremap = true;
        sound();
    }
}

static void the_last_block_grows_in_place(void)
{
    unsigned char *p = get(16 << 20, 0x11);
    for (size_t size = 32 << 20; size <= 256 << 20; size *= 2) {
        require(alloc_realloc(p, size) == p, "moved to grow to %zu\n", size);
        require(is_filled(p, 16 << 20, 0x11) && is_filled(p + size / 2, 4096, 0), "contents\n");
    }
    alloc_free(p);
    sound();
}

static void realloc_moves_within_its_budget(void)
{
    unsigned char *blocks[200];
    for (int i = 0; i < 200; i++) {
        blocks[i] = get(1 << 20, i);
        alloc_malloc(8 * S);
    }
    for (int i = 0; i < 200; i++) {
        blocks[i] = alloc_realloc(blocks[i], 2 << 20);
        require(is_filled(blocks[i], 1 << 20, i), "block %d\n", i);
        require(seam_count() <= 24 + 24 * ((spans.totals.live << SLICE_SHIFT) / GIB + 1), "%zu moved ranges\n", seam_count());
    }
    sound();
}

static void realloc_never_moves_pages_under_mremap_0(void)
{
    options.mremap = false;
    unsigned char *p = get(4 << 20, 0x11);
    get(8 * S, 0x22);
    p = alloc_realloc(p, 12 << 20);
    require(is_filled(p, 4 << 20, 0x11) && seam_count() == 0, "moved\n");
    sound();
}

static void realloc_keeps_contents_from_any_size_to_any(void)
{
    uint64_t state = seed_choose("realloc", unit_argument);
    enum { N = 50 };
    static struct {
        unsigned char *p;
        size_t size;
    } block[N];
    for (long op = scaled(60000); op > 0; op--) {
        int i = (int)random_below(&state, N);
        size_t size = (size_t)1 << random_below(&state, 24);
        size = size + random_below(&state, (uint32_t)size);
        unsigned char *p = alloc_realloc(block[i].p, size);
        size_t kept = min_size(size, block[i].size);
        require(p && alloc_usable_size(p) >= size && is_filled(p, min_size(kept, 3000), i + 1), "from %zu to %zu\n",
                block[i].size, size);
        if (kept > 3000) require(is_filled(p + kept - 100, 100, i + 1), "from %zu to %zu: the end\n", block[i].size, size);
        memset(p, i + 1, min_size(size, 3000));
        memset(p + size - min_size(size, 20000), i + 1, min_size(size, 20000));
        /* what lies between is whatever it was: fill it, or a later end would lie in it */
        if (size > kept) memset(p + kept, i + 1, size - kept);
        block[i].p = p;
        block[i].size = size;
        if (random_below(&state, 8) == 0) {
            alloc_free(p);
            block[i].p = NULL;
            block[i].size = 0;
        }
        if (op % 1000 == 0) sound();
    }
}

static void calloc_of_a_large_block_is_zero_after_any_history(void)
{
    uint64_t state = seed_choose("calloc", unit_argument);
    unsigned char *kept[20] = {NULL};
    for (long op = scaled(8000); op > 0; op--) {
        int i = (int)random_below(&state, 20);
        size_t size = 1 + random_below(&state, random_below(&state, 4) ? 1 << 19 : 1 << 22);
        alloc_free(kept[i]);
        kept[i] = alloc_calloc(1, size);
        require(is_filled(kept[i], size, 0), "%zu bytes\n", size);
        if (random_below(&state, 4) == 0) purge_down_to(random_below(&state, 1 << 24));
        if (random_below(&state, 4) == 0)
            kept[i] = alloc_realloc(kept[i], size = size / 2 + random_below(&state, (uint32_t)size) + 1);
        memset(kept[i], 0xff, random_below(&state, 2) ? size : size / 3);
        if (op % 100 == 0) sound();
    }
}

static size_t count_resident(const unsigned char *block, size_t size)
{
    static unsigned char pages[(64 << 20) / PAGE];
    size_t count = 0;
    require(mincore((void *)(uintptr_t)block, size, pages) == 0, "mincore\n");
    for (size_t i = 0; i < size / PAGE; i++) count += pages[i] & 1;
    return count;
}

/* Where one lay before of which one page in a hundred was written, or all; or nothing can be given back. */
static void calloc_of_a_sparse_array_stays_sparse(void)
{
    enum { SIZE = 32 << 20, NPAGES = SIZE / PAGE };
    options.huge = (size_t)1 << 40;
    options.dirty = (size_t)1 << 30;
    for (int round = 0; round < 4; round++) {
        unsigned char *p = alloc_calloc(1, SIZE);
        for (size_t page = 0; page < NPAGES; page += round == 1 ? 1 : 100) p[page * PAGE] = 1;
        alloc_free(p);
        if (round == 2) os_fail(SYS_madvise, 1, ULONG_MAX, EPERM);
        unsigned char *again = alloc_calloc(1, SIZE);
        os_fail(SYS_madvise, 1, 0, 0);
        require(again == p, "another place\n");
        size_t count = count_resident(again, SIZE), most = round == 1 || round == 2 ? NPAGES : NPAGES / 50;
        require(count <= most, "%zu pages of %d are resident, %zu were written\n", count, NPAGES, most / 2);
        require(is_filled(again, SIZE, 0), "calloc is not zero\n");
        alloc_free(again);
        purge_down_to(0);
    }
    sound();
}

UNIT_MAIN(PROMISE(large_usable_size_is_whole_pages), PROMISE(large_is_freed_once),
          PROMISE(realloc_grows_in_place_into_a_free_neighbour), PROMISE(realloc_by_steps_moves_seldom),
          PROMISE(realloc_to_less_returns_the_tail), PROMISE(realloc_moves_pages_and_keeps_their_contents),
          PROMISE(realloc_of_a_big_block_is_never_twice_resident), PROMISE(the_last_block_grows_in_place),
          PROMISE(realloc_moves_within_its_budget), PROMISE(realloc_never_moves_pages_under_mremap_0),
          PROMISE(realloc_keeps_contents_from_any_size_to_any), PROMISE(calloc_of_a_large_block_is_zero_after_any_history),
          PROMISE(calloc_of_a_sparse_array_stays_sparse))
