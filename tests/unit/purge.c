/* purge.c: freed memory is bounded by amount (src/span/purge.c), and what the system refuses is no harm. */
#include "api/alloc.h"
#include "api/life.h"
#include "fail.h"
#include "os/options.h"
#include "unit.h"
#include "watch/watch.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

static size_t dirty_nbytes(void) { return spans.totals.dirty << SLICE_SHIFT; }

static void sound(void) { require(watch_verify() == 0, "the heap is broken\n"); }

enum { N = 256 };
static char *blocks[N];

static void fill(size_t size)
{
    for (int i = 0; i < N; i++) {
        require((blocks[i] = alloc_malloc(size)) != NULL, "out of memory\n");
        memset(blocks[i], 0xff, size);
    }
}

static void empty(void)
{
    for (int i = 0; i < N; i++) alloc_free(blocks[i]);
}

/* A program that has shrunk, a moment later, with little more to do: purging may wait a millisecond, and is done by one slow road
 * in sixteen (PATROL_ROADS), which carves 16 KiB. A busy machine may let each such visit purge no more than its first 2 MiB of
 * the last 64 (BURST). */
static void settle(void)
{
    enum { VISITS = 64 / 2 + 2, SIZE = 256, BLOCKS = PATROL_ROADS * ((16 << 10) / SIZE + 1) };
    for (int i = 0; i < VISITS; i++) {
        usleep(1000);
        for (int j = 0; j < BLOCKS; j++) alloc_malloc(SIZE);
    }
}

static void purge_bounds_what_is_kept(void)
{
    static const char *const sizes[] = {"4000000", "1000000", "300000", "100000", "30000", "2000"};
    for (size_t i = 0; !unit_argument && i < sizeof sizes / sizeof *sizes; i++)
        require(unit_run("purge_bounds_what_is_kept", sizes[i]) == 0, "with blocks of %s bytes\n", sizes[i]);
    if (!unit_argument) return;
    fill((size_t)atol(unit_argument));
    empty();
    settle();
    size_t live = spans.totals.live << SLICE_SHIFT, bound = max_size(options.dirty, live / 32) + (2 << 20);
    require(dirty_nbytes() <= bound, "%zu bytes stay, over %zu\n", dirty_nbytes(), bound);
    sound();
}

static void purge_bound_follows_the_option(void)
{
    options.dirty = 0;
    fill(1 << 20);
    empty();
    settle();
    require(dirty_nbytes() <= 2 << 20, "%zu bytes stay\n", dirty_nbytes());
    options.dirty = 1 << 30;
    fill(1 << 20);
    empty();
    settle();
    require(dirty_nbytes() >= ((size_t)N << 20) / 10 * 9, "only %zu bytes stay\n", dirty_nbytes());
    sound();
}

static long nfaults(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt;
}

static void touch_in_turn(size_t size, int nrounds)
{
    for (; nrounds; nrounds--) {
        char *block = alloc_malloc(size);
        for (size_t i = 0; i < size; i += PAGE) block[i] = 1;
        alloc_free(block);
    }
}

/* A block larger than all that may stay dirty, had and given back again and again: one page in fifty, not the fifth that is too
 * much each time. Once nobody wants it any more it goes as ever. */
static void what_is_wanted_again_stays(void)
{
    for (size_t size = 5 << 20; size <= 80 << 20; size *= 4) {
        touch_in_turn(size, 100);
        long before = nfaults(), npages = 300 * (long)(size / PAGE);
        touch_in_turn(size, 300);
        long again = nfaults() - before;
        require(again <= npages / 50, "%zu bytes: %ld of %ld pages had to be fetched again\n", size, again, npages);
    }
    for (int left = 100; left && dirty_nbytes() > options.dirty + (2 << 20); left--) settle();
    require(dirty_nbytes() <= options.dirty + (2 << 20), "%zu bytes stay\n", dirty_nbytes());
    sound();
}

static void pass_a_second(void)
{
    spans.totals.aged -= (uint64_t)1 << 33;
    for (int i = 0; i < 3; i++) purge_slowly(false), usleep(1000); /* it waits half a millisecond */
}

/* 3 MB are fewer than may stay, and go when two seconds have shown that nobody wants them; not while they are taken and given
 * back. */
static void what_nobody_wants_grows_old(void)
{
    enum { SIZE = 3 << 20 };
    alloc_malloc(1);
    for (int i = 0; i < 3; i++) {
        touch_in_turn(SIZE, 2); /* it is taken again after time began with the first free */
        pass_a_second();
    }
    require(dirty_nbytes() == SIZE, "%zu bytes stay of what is wanted\n", dirty_nbytes());
    for (int i = 0; i < 3; i++) pass_a_second();
    require(dirty_nbytes() <= options.dirty / 4, "%zu bytes stay of what nobody wants\n", dirty_nbytes());
    sound();
}

/* Two images, freed, and then one for which neither place is large enough. */
static void what_grows_is_exchanged_for_what_is_free(void)
{
    enum { SMALL = 8 << 20, LARGE = 12 << 20 };
    char *images[2], *fences[2];
    for (int i = 0; i < 2; i++) {
        memset(images[i] = alloc_malloc(SMALL), 0xff, SMALL);
        fences[i] = alloc_malloc(100000);
    }
    for (int i = 0; i < 2; i++) alloc_free(images[i]);
    require(dirty_nbytes() == 2 * SMALL, "%zu bytes are dirty, not two images\n", dirty_nbytes());
    char *larger = alloc_malloc(LARGE);
    require(dirty_nbytes() <= 2 * SMALL - LARGE + (2 << 20), "%zu bytes stay when as much is touched anew\n", dirty_nbytes());
    require(!spans.totals.exchanging.until, "what was never purged is not regretted\n");
    images[0] = alloc_malloc(SMALL);
    images[1] = alloc_malloc(SMALL);
    require(spans.totals.exchanging.until, "what was exchanged and is taken again is regretted\n");
    require(!spans.totals.purging.until && !spans.totals.purged, "as what was purged for another reason\n");
    for (int i = 0; i < 2; i++) alloc_free(images[i]);
    char *largest = alloc_malloc(2 * LARGE);
    require(dirty_nbytes() == 2 * SMALL, "%zu bytes are dirty, exchanged in spite of that\n", dirty_nbytes());
    alloc_free(largest);
    alloc_free(larger);
    for (int i = 0; i < 2; i++) alloc_free(fences[i]);
    sound();
}

/* The records of its slices lie on 1,024 pages and more. */
static void a_large_block_that_nobody_touches_costs_no_page_faults(void)
{
    options.huge = (size_t)1 << 40;
    touch_in_turn(8 << 20, 1);
    purge_down_to(0);
    long before = nfaults();
    void *block = alloc_malloc((size_t)4 << 30);
    long faults = nfaults() - before;
    require(!block || faults < 100, "%ld page faults\n", faults); /* none where so much may not be promised */
    alloc_free(block);
    sound();
}

static void purge_makes_memory_read_zero(void)
{
    fill(1 << 20);
    empty();
    purge_down_to(0);
    require(dirty_nbytes() == 0, "%zu bytes stay\n", dirty_nbytes());
    for (int i = 0; i < N; i++) {
        blocks[i] = alloc_calloc(1, 1 << 20);
        require(is_filled(blocks[i], 1 << 20, 0), "calloc is not zero\n");
    }
    empty();
    sound();
}

static void madvise_never_works(int error)
{
    os_fail(SYS_madvise, 1, (unsigned long)-1, error);
    for (size_t size = 1000; size < 3000000; size = size * 7 / 2) {
        fill(size / 4 + 1);
        empty();
        purge_down_to(0);
        sound();
        for (int i = 0; i < N; i++) {
            blocks[i] = alloc_calloc(1, size / 4 + 1);
            require(is_filled(blocks[i], size / 4 + 1, 0), "calloc of %zu bytes is not zero\n", size / 4 + 1);
            memset(blocks[i], 0xff, size / 4 + 1);
        }
        empty();
    }
    os_fail(SYS_madvise, 0, 0, 0);
    purge_down_to(0);
    require(dirty_nbytes() == 0, "%zu bytes stay though it is allowed now\n", dirty_nbytes());
    sound();
}

/* As under mlockall: madvise says no, for ever. */
static void refused_madvise_is_no_harm(void) { madvise_never_works(EINVAL); }

/* As under old emulators: it says yes and does nothing. */
static void pretended_madvise_is_no_harm(void) { madvise_never_works(0); }

/* A page that a program has locked, and freed: it stays, and what is free beside it does not. */
static void a_locked_page_keeps_no_other(void)
{
    enum { NPARTS = 8 };
    char *parts[NPARTS], *fences[NPARTS];
    for (int i = 0; i < NPARTS; i++) {
        size_t size = (size_t)(i ? 8 : 16) << 20;
        memset(parts[i] = alloc_malloc(size), 0xff, size);
        fences[i] = alloc_malloc(100000);
    }
    if (mlock(parts[0] + (16 << 20) - PAGE, PAGE) != 0) return; /* not allowed here */
    for (int i = 0; i < NPARTS; i++) alloc_free(parts[i]);
    purge_down_to(0);
    require(dirty_nbytes() == 16 << 20, "%zu bytes are kept for one page\n", dirty_nbytes());
    sound();
    munlock(parts[0] + (16 << 20) - PAGE, PAGE);
    purge_down_to(0);
    require(dirty_nbytes() == 0, "%zu bytes are kept for nothing\n", dirty_nbytes());
    for (int i = 0; i < NPARTS; i++) alloc_free(fences[i]);
    sound();
}

static void refused_replacement_is_no_harm(void)
{
    char *p = alloc_malloc(8 << 20), *fence = alloc_malloc(1 << 20);
    memset(p, 0xff, 8 << 20);
    p = alloc_realloc(p, 16 << 20); /* moved: its old place is a mapping apart, purged by replacing it */
    alloc_free(p);
    os_fail(SYS_mmap, 1, (unsigned long)-1, ENOMEM);
    purge_down_to(0);
    sound();
    os_fail(SYS_mmap, 0, 0, 0);
    purge_down_to(0);
    require(dirty_nbytes() == 0 && seam_count() == 0, "%zu bytes stay, %zu moved ranges\n", dirty_nbytes(), seam_count());
    p = alloc_calloc(1, 24 << 20);
    require(is_filled(p, 24 << 20, 0), "calloc is not zero\n");
    alloc_free(p);
    alloc_free(fence);
    sound();
}

/* A thread without a heap, as the helper is, and one that is at its end. */
static void *purge_always(void *unused)
{
    for (;;) purge_down_to(0);
    return unused;
}

static void fork_in_the_middle_of_a_purge_loses_nothing(void)
{
    pthread_t purger;
    require(pthread_create(&purger, NULL, purge_always, NULL) == 0, "no thread\n");
    for (long i = scaled(300); i > 0; i--) {
        int status;
        char *p = alloc_malloc(16 << 20);
        memset(p, 0xff, 16 << 20);
        alloc_free(p);
        const volatile struct spans *seen = &spans;
        while (seen->npurging == 0 && seen->totals.dirty != 0) {
        }
        pid_t child = fork();
        if (child == 0) {
            require(spans.npurging == 0, "nobody is left, and a span is out being purged\n");
            sound();
            _exit(0);
        }
        require(waitpid(child, &status, 0) == child && status == 0, "a child ended with status %x, %ld to go\n", (unsigned)status,
                i);
    }
    sound();
}

/* What is free is out of reach while another thread purges a part of it. */
static void what_another_thread_purges_is_waited_for(void)
{
    enum { SIZE = 48 << 20, WRITTEN = 8 << 20 };
    pthread_t purger;
    alloc_free(alloc_malloc(SIZE + (SIZE >> 2)));
    os_fail(SYS_mmap, 1, (unsigned long)-1, ENOMEM);
    require(pthread_create(&purger, NULL, purge_always, NULL) == 0, "no thread\n");
    for (long i = scaled(3000); i > 0; i--) {
        char *p = alloc_malloc(SIZE);
        require(p != NULL, "no memory, %ld to go\n", i);
        memset(p, 0xff, WRITTEN);
        alloc_free(p);
    }
    os_fail(0, 0, 0, 0);
}

/* Far too much is dirty, which was wanted until a moment ago. */
static void who_comes_by_purges_for_some_milliseconds(void)
{
    enum { SIZE = 2 << 20, DELAY_US = 2000 };
    fill(SIZE);
    pass_a_second();
    options.dirty = (size_t)1 << 40;
    empty();
    options.dirty = 0;
    size_t before = dirty_nbytes();
    os_delay(SYS_madvise, DELAY_US);
    purge_slowly(false);
    size_t some = before - dirty_nbytes();
    require(some && some <= before / 4, "%zu of %zu bytes at once\n", some, before);
    os_delay(SYS_madvise, 0);
    purge_slowly(true);
    require(dirty_nbytes() <= 64 << 20, "%zu bytes stay\n", dirty_nbytes());
    sound();
}

/* But for a megabyte, which is never worth a look; by blocks so small that without a limit not each is. */
static void what_is_freed_over_the_soft_limit_is_purged_at_once(void)
{
    enum { SIZE = 960 << 10, SOFT = 4 << 20 };
    life_check();
    options.limit = (struct option_limit){(size_t)1 << 30, SOFT};
    limit_count_again();
    fill(SIZE);
    for (int i = 0; i < N; i++) {
        alloc_free(blocks[i]);
        require(dirty_nbytes() <= max_size(limit_leaves(), MIB), "%zu bytes are kept after %d frees\n", dirty_nbytes(), i + 1);
    }
    options.limit = (struct option_limit){0, 0};
}

UNIT_MAIN(PROMISE(what_another_thread_purges_is_waited_for), PROMISE(who_comes_by_purges_for_some_milliseconds),
          PROMISE(what_is_freed_over_the_soft_limit_is_purged_at_once), PROMISE(purge_bounds_what_is_kept),
          PROMISE(purge_bound_follows_the_option), PROMISE(what_is_wanted_again_stays), PROMISE(what_nobody_wants_grows_old),
          PROMISE(what_grows_is_exchanged_for_what_is_free), PROMISE(a_large_block_that_nobody_touches_costs_no_page_faults),
          PROMISE(purge_makes_memory_read_zero), PROMISE(fork_in_the_middle_of_a_purge_loses_nothing),
          PROMISE(refused_madvise_is_no_harm), PROMISE(pretended_madvise_is_no_harm), PROMISE(a_locked_page_keeps_no_other),
          PROMISE(refused_replacement_is_no_harm))
