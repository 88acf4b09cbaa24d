/* populate.c: memory that is about to be written whole comes by several pages a system call, and no other does (refill.c,
 * large.c). */
#include "api/alloc.h"
#include "fail.h"
#include "limit.h"
#include "unit.h"

#include <sys/mman.h>
#include <sys/syscall.h>

enum { MANY = 8, OTHERS = 64 /* calls of madvise for other reasons, as the range grows */ };

/* What a page costs. */
static const uint64_t CHEAP = 1 << 11, DEAR = 1 << 15;

/* By MADV_POPULATE_WRITE. */
static bool is_known(void)
{
    static char page[2 * PAGE];
    bool is = madvise((void *)round_up((uintptr_t)page, PAGE), PAGE, 23) == 0;
    if (!is) say("skipped: this kernel, before 5.14, cannot populate\n");
    return is;
}

/* Takes so many bytes in blocks of the size. Returns how many calls of madvise that took. */
static unsigned long take(size_t nbytes, size_t size)
{
    os_fail(SYS_madvise, 1, 0, 0);
    for (size_t n = nbytes / size; n; n--) require(alloc_malloc(size) != NULL, "out of memory\n");
    return os_fail(0, 0, 0, 0);
}

/* Of spans of its class so many, so that they have been taken. */
static void take_spans(unsigned n, size_t size) { take((size_t)n * class_table[class_of(size)].nslices * SLICE_SIZE, size); }

/* Of blocks of a kilobyte and more only where pages are dear. */
static void blocks_of_a_class_that_grows_come_four_pages_at_a_time(void)
{
    static const size_t SIZES[] = {16, 64, 200, 960, 1500, 4096};
    if (!is_known()) return;
    options.huge = 64 * GIB; /* there huge pages come without */
    for (unsigned i = 0; i < sizeof SIZES / sizeof *SIZES; i++) {
        enum { NBYTES = 8 << 20 };
        range.page_ticks = SIZES[i] <= SMALL_MAX ? CHEAP : DEAR;
        take_spans(4 * MANY, SIZES[i]);
        size_t before = resident_nbytes();
        unsigned long n = take(NBYTES, SIZES[i]), want = NBYTES / (4 * PAGE);
        require(n >= want - want / 16 && n <= want + want / 2 + OTHERS, "%zu bytes: %lu calls, not %lu or half as many more\n",
                SIZES[i], n, want);
        size_t more = resident_nbytes() - before;
        require(more < NBYTES + NBYTES / 8 + 4 * PAGE, "%zu bytes: %zu KiB for %d\n", SIZES[i], more >> 10, NBYTES >> 10);
    }
}

static void the_first_of_a_class_come_as_they_are_written(void)
{
    for (size_t size = 16; size <= 4096; size *= 2) {
        unsigned long n = take((MANY - 2) * SLICE_SIZE, size + 8);
        require(n <= OTHERS / 8, "%zu bytes: %lu calls\n", size + 8, n);
    }
}

static void what_may_stay_untouched_is_left_alone(void)
{
    static const size_t SIZES[] = {1100, 1500, 4096, 6000, 20000, 100000};
    range.page_ticks = CHEAP;
    for (unsigned i = 0; i < sizeof SIZES / sizeof *SIZES; i++) {
        size_t before = resident_nbytes();
        take((size_t)16 << 20, SIZES[i]); /* together less than huge= */
        size_t more = resident_nbytes() - before;
        require(more < (size_t)1 << 20, "%zu bytes: %zu KiB of 16 MiB are resident\n", SIZES[i], more >> 10);
    }
}

static void what_has_been_used_before_is_not_asked_for(void)
{
    enum { N = 8 << 20 >> 6 };
    static void *blocks[N];
    options.dirty = 64 << 20; /* none of it goes back, not a quarter after a second either */
    for (int again = 0; again < 2; again++) {
        unsigned long n = 0;
        os_fail(SYS_madvise, 1, 0, 0);
        for (int i = 0; i < N; i++) blocks[i] = alloc_malloc(64);
        n = os_fail(0, 0, 0, 0);
        require(!again || n <= OTHERS, "%lu calls\n", n);
        for (int i = 0; i < N; i++) alloc_free(blocks[i]);
    }
}

/* Whose spans have all gone meanwhile. */
static void a_heap_that_was_drained_begins_anew(void)
{
    take_spans(4 * MANY, 64);
    heap_drain(heap_own(), false);
    unsigned long n = take((MANY - 2) * SLICE_SIZE, 64);
    require(n <= OTHERS / 8, "%lu calls\n", n);
}

/* Which counts what has been carved. */
static void under_a_limit_nothing_is_populated(void)
{
    limit_to_more((size_t)64 << 20);
    unsigned long n = take((size_t)32 << 20, 64);
    require(n <= OTHERS, "%lu calls\n", n);
}

static void refusal_is_harmless(void)
{
    if (!is_known()) return;
    take_spans(4 * MANY, 64);
    os_fail(SYS_madvise, 1, (unsigned long)-1, ENOMEM);
    for (int i = 0; i < 100000; i++) {
        char *block = alloc_malloc(64);
        require(block != NULL, "out of memory\n");
        memset(block, 1, 64);
    }
    require(os_fail(0, 0, 0, 0) > 100, "nothing was refused\n");
}

/* Linux before 5.14. */
static void what_the_system_does_not_know_is_asked_once(void)
{
    take_spans(4 * MANY, 64);
    os_fail(SYS_madvise, 1, OTHERS / 4, EINVAL);
    for (int i = 0; i < 100000; i++) require(alloc_malloc(64) != NULL, "out of memory\n");
    unsigned long n = os_fail(0, 0, 0, 0);
    require(n >= 1 && n <= OTHERS, "%lu calls\n", n);
}

static void what_realloc_copies_into_comes_at_once(void)
{
    enum { NPAGES = 400000 / PAGE };
    char *block = alloc_malloc(100000);
    memset(block, 1, 100000);
    require(alloc_malloc(100000) != NULL, "out of memory\n"); /* it cannot grow where it is */
    unsigned char is[NPAGES];
    os_fail(SYS_madvise, 1, 0, 0);
    block = alloc_realloc(block, 400000);
    require(os_fail(0, 0, 0, 0) == 1, "page by page\n");
    require(mincore(block - (uintptr_t)block % PAGE, NPAGES * PAGE, is) == 0, "mincore: errno %d\n", errno);
    for (int i = NPAGES / 2; i < NPAGES; i++) require(!(is[i] & 1), "page %d, which is not copied, is resident, too\n", i);
    require(is_filled((unsigned char *)block, 100000, 1), "the copy differs\n");
}

UNIT_MAIN(PROMISE(blocks_of_a_class_that_grows_come_four_pages_at_a_time), PROMISE(the_first_of_a_class_come_as_they_are_written),
          PROMISE(what_may_stay_untouched_is_left_alone), PROMISE(what_has_been_used_before_is_not_asked_for),
          PROMISE(a_heap_that_was_drained_begins_anew), PROMISE(under_a_limit_nothing_is_populated), PROMISE(refusal_is_harmless),
          PROMISE(what_the_system_does_not_know_is_asked_once), PROMISE(what_realloc_copies_into_comes_at_once))
