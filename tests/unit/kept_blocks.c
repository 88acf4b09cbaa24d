/* kept_blocks.c: laws of spans whose blocks are all free, and that their thread may have again (src/heap/again.h, event.c). */
#include "guard/diagnose.h"
#include "heap/again.h"
#include "os/options.h"
#include "slices.h"

#include <pthread.h>

enum { NMAX = 100000, NROUNDS = 10 };
static unsigned char *block[NMAX];

/* Of spans of 1 to AGAIN_SLICES slices, if each class serves but its own. */
static size_t sizes[] = {128, 512, 5000, 10000, 28000};
enum { NSIZES = sizeof sizes / sizeof *sizes };

static size_t nslices_of(size_t size) { return class_table[class_of(size)].nslices; }

/* So there is a heap, and a share. */
static void begin(void)
{
    alloc_free(get(S, 1));
    large_give_kept(heap_own());
    class_serve_all();
}

static size_t fill(size_t nspans, size_t size)
{
    size_t n = nspans * class_table[class_of(size)].capacity;
    require(n <= NMAX, "too many blocks\n");
    for (size_t i = 0; i < n; i++) block[i] = get(size, 1);
    return n;
}

static void *drop(void *n)
{
    for (size_t i = 0; i < *(size_t *)n; i++) alloc_free(block[i]);
    return NULL;
}

static void fill_and_drop(size_t nspans, size_t size)
{
    /* or all of it would wait on its class's list */
    if (heap_own() && size > SMALL_MAX) heap_own()->pairs[class_of(size)].room = -NARROW;
    size_t n = fill(nspans, size);
    drop(&n);
}

/* Until it has been granted all. */
static void fill_and_drop_much(size_t size)
{
    for (int round = 0; round < NROUNDS; round++) fill_and_drop(3 * heap_share / nslices_of(size), size);
}

static void in_thread(void *(*work)(void *), void *argument)
{
    pthread_t other;
    require(pthread_create(&other, NULL, work, argument) == 0 && pthread_join(other, NULL) == 0, "no thread\n");
}

static void what_is_filled_and_dropped_stays_with_its_thread(void)
{
    begin();
    for (int i = 0; i < NSIZES; i++) {
        size_t nspans = 48 / nslices_of(sizes[i]);
        for (int round = 0; round < NROUNDS; round++) fill_and_drop(nspans, sizes[i]);
        struct span_totals before = spans.totals;
        require(count_kept() >= 48 / 2, "blocks of %zu: %zu slices are kept\n", sizes[i], count_kept());
        fill_and_drop(nspans, sizes[i]);
        require(spans.totals.live == before.live && spans.totals.dirty == before.dirty,
                "blocks of %zu: the page level has been asked\n", sizes[i]);
        sound();
        heap_drain(heap_own(), true);
        require(count_kept() == 0, "malloc_trim\n");
    }
}

static void no_more_is_kept_than_one_share(void)
{
    begin();
    for (int i = 0; i < NSIZES; i++) {
        fill_and_drop(3 * KEPT_SLICES / nslices_of(sizes[i]), sizes[i]);
        require(count_kept() <= KEPT_SLICES, "blocks of %zu: %zu slices are kept before any have been granted\n", sizes[i],
                count_kept());
        fill_and_drop_much(sizes[i]);
        require(count_kept() <= heap_share, "blocks of %zu: %zu slices are kept, of %zu\n", sizes[i], count_kept(), heap_share);
        sound();
        heap_drain(heap_own(), true);
    }
}

/* Of any class, and large. */
static void what_one_size_leaves_others_take(void)
{
    begin();
    fill_and_drop_much(512);
    size_t kept = count_kept();
    unsigned char *large = get(S, 1), *small = get(64, 2);
    require(kept && count_kept() == kept - 2, "%zu slices are kept, and were before: %zu\n", count_kept(), kept);
    alloc_free(small);
    for (int i = 0; i < 100; i++) alloc_free(large), large = get(S, 1);
    require(count_kept() == kept - 2, "a large block took another\n");
    sound();
}

static void what_nobody_wants_any_more_goes(void)
{
    begin();
    heap_own()->patrol_due = bits_ticks() + ((uint64_t)1 << 33); /* which looks, too */
    fill_and_drop(4, 512);
    require(count_kept() > 0, "none are kept\n");
    again_look(heap_own());
    require(count_kept() > 0, "kept since the last look only\n");
    again_look(heap_own());
    require(count_kept() == 0, "%zu slices are still kept\n", count_kept());
}

static void *fill_and_drop_in_thread(void *size)
{
    fill_and_drop_much(*(size_t *)size);
    require(count_kept() > 0, "none are kept\n");
    return NULL;
}

static void a_thread_that_is_gone_keeps_none(void)
{
    begin();
    for (int i = 0; i < NSIZES; i++) {
        in_thread(fill_and_drop_in_thread, &sizes[i]);
        require(count_kept() == 0, "%zu slices are kept for blocks of %zu\n", count_kept(), sizes[i]);
        sound();
    }
}

/* What it could have again the one who has them filled in vain; they go to the page level, for all. */
static void what_others_free_is_not_kept_for_them(void)
{
    begin();
    size_t n = fill(20, 512);
    in_thread(drop, &n);
    require(count_kept() == 0, "%zu slices are kept\n", count_kept());
    sound();
}

static void none_are_kept_where_each_free_is_watched(void)
{
    begin();
    options.mode = MODE_HARDENED;
    fill_and_drop(8, 512);
    require(count_kept() == 0, "in hardened mode\n");
}

static void none_are_kept_under_a_limit(void)
{
    options.limit.hard = options.limit.soft = (size_t)1 << 30; /* before anything has been allocated */
    fill_and_drop(8, 512);
    require(count_kept() == 0, "kept, and not charged\n");
}

/* Neither of a large block as large as its countdown, nor that it was one. */
static void a_pointer_into_what_is_kept_is_nobodys(void)
{
    begin();
    fill_and_drop(8, 512);
    int nkept = 0;
    for (size_t i = 0; i < range_limit(); i += span_nslices(range.records + i)) {
        if (span_state(range.records + i) != SPAN_KEPT) continue;
        char *start = span_address(range.records + i);
        nkept++;
        require(diagnose_inside(start).crime == CRIME_UNUSED && diagnose_inside(start + 512).crime == CRIME_UNUSED,
                "it is told to be something else\n");
        require(!alloc_usable_size(start), "it has a size\n");
    }
    require(nkept > 0, "none are kept\n");
}

UNIT_MAIN(PROMISE(what_is_filled_and_dropped_stays_with_its_thread), PROMISE(no_more_is_kept_than_one_share),
          PROMISE(what_one_size_leaves_others_take), PROMISE(what_nobody_wants_any_more_goes),
          PROMISE(a_thread_that_is_gone_keeps_none), PROMISE(what_others_free_is_not_kept_for_them),
          PROMISE(none_are_kept_where_each_free_is_watched), PROMISE(none_are_kept_under_a_limit),
          PROMISE(a_pointer_into_what_is_kept_is_nobodys))
