/* trim.c: what malloc_trim gives back inside spans in use (src/heap/trim.c): pages on which there are free blocks only, and no
 * other. */
#include "api/alloc.h"
#include "os/options.h"
#include "patrol.h"
#include "unit.h"
#include "watch/watch.h"

#include <pthread.h>
#include <sys/mman.h>

enum { NBLOCKS = 500 };
static const size_t SIZES[] = {1100, 1400, 3000, 4096, 4300, 5120, 6600, 8192, 13000, 20000, 32768};

static unsigned char *block[NBLOCKS];
static bool is_live[NBLOCKS];
static size_t size; /* of each, all usable */

static void sound(void) { require(watch_verify() == 0, "the heap is broken\n"); }

static void get(int i)
{
    require((block[i] = alloc_malloc(size)) != NULL, "out of memory\n");
    memset(block[i], i % 255 + 1, size);
    is_live[i] = true;
}

static void get_all(size_t asked)
{
    for (int i = 0; i < NBLOCKS; i++) {
        size = asked;
        get(i);
        size = alloc_usable_size(block[i]);
        memset(block[i], i % 255 + 1, size);
    }
}

/* Nine of ten, here and there. */
static void free_most(uint64_t *random)
{
    for (int i = 0; i < NBLOCKS; i++)
        if (random_below(random, 10) != 0) alloc_free(block[i]), is_live[i] = false;
}

static bool is_resident(uintptr_t page)
{
    unsigned char is = 0;
    require(mincore((void *)page, PAGE, &is) == 0, "mincore: errno %d\n", errno);
    return is & 1;
}

/* Pages of the freed blocks that no living one touches: how many there are, and how many are resident. */
static int count_idle(int *nresident)
{
    static unsigned char touches[1 << 16]; /* of the pages behind the first block's span: 1 freed, 2 in use */
    uintptr_t first = UINTPTR_MAX;
    int nidle = 0;
    *nresident = 0;
    memset(touches, 0, sizeof touches);
    for (int i = 0; i < NBLOCKS; i++) first = min_size(first, (uintptr_t)block[i] / PAGE);
    for (int i = 0; i < NBLOCKS; i++)
        for (uintptr_t page = (uintptr_t)block[i] / PAGE; page <= ((uintptr_t)block[i] + size - 1) / PAGE; page++) {
            bool is_whole = page * PAGE >= (uintptr_t)block[i] && (page + 1) * PAGE <= (uintptr_t)block[i] + size;
            require(page - first < sizeof touches, "a block lies far from the others\n");
            touches[page - first] |= is_live[i] ? 2 : is_whole ? 1 : 0;
        }
    for (size_t k = 0; k < sizeof touches; k++)
        if (touches[k] == 1) nidle++, *nresident += is_resident((first + k) * PAGE);
    return nidle;
}

/* malloc_trim. Returns the bytes. */
static size_t trim(void)
{
    size_t nbytes = heap_trim(heap_own());
    return nbytes + purge_down_to(0);
}

static void require_intact(void)
{
    for (int i = 0; i < NBLOCKS; i++) require(!is_live[i] || is_filled(block[i], size, i % 255 + 1), "block %d has changed\n", i);
}

static void of_each_size(const char *promise, void (*run)(size_t asked, uint64_t *random))
{
    options.dirty = (size_t)1 << 30; /* whole spans stay */
    uint64_t random = seed_choose(promise, unit_argument);
    for (size_t k = 0; k < sizeof SIZES / sizeof *SIZES; k++) run(SIZES[k], &random);
}

static void trim_and_reuse(size_t asked, uint64_t *random)
{
    int nresident, nidle;
    get_all(asked);
    free_most(random);
    nidle = count_idle(&nresident);
    require(nresident == nidle, "%zu bytes: %d of %d pages were resident before\n", asked, nresident, nidle);
    size_t nbytes = trim();
    sound();
    count_idle(&nresident);
    require(nresident == 0, "%zu bytes: %d of %d pages are still resident\n", asked, nresident, nidle);
    require(nbytes >= (size_t)nidle * PAGE, "%zu bytes: %zu are said to have gone, %d pages have\n", asked, nbytes, nidle);
    require_intact();
    for (int i = 0; i < NBLOCKS; i++)
        if (!is_live[i]) get(i);
    require_intact();
    sound();
    for (int i = 0; i < NBLOCKS; i++) alloc_free(block[i]);
    trim();
    sound();
}

static void trim_gives_back_the_pages_of_free_blocks(void)
{
    of_each_size("trim_gives_back_the_pages_of_free_blocks", trim_and_reuse);
}

static void trim_and_leave_nothing(size_t asked, uint64_t *random)
{
    (void)random;
    alloc_free(alloc_malloc(1));
    size_t before = spans.totals.live;
    get_all(asked);
    for (int i = 0; i < NBLOCKS; i++) alloc_free(block[i]), is_live[i] = false;
    trim();
    require(spans.totals.live <= before, "%zu bytes: %zu slices stay, %zu before\n", asked, spans.totals.live, before);
    sound();
}

static void trim_gives_back_spans_that_hold_nothing(void)
{
    of_each_size("trim_gives_back_spans_that_hold_nothing", trim_and_leave_nothing);
}

/* Of every class, those that aligned requests alone have, too. */
static void used_memory_holds_as_many_blocks_as_before(void)
{
    options.dirty = (size_t)1 << 30;
    for (unsigned class = NSMALL; class < NCLASSES; class ++) {
        size_t nbytes = class_table[class].size, most = 0;
        for (int round = 0; round < 3; round++) {
            for (int i = 0; i < NBLOCKS; i++)
                require((block[i] = alloc_memalign(nbytes & -nbytes, nbytes)) != NULL, "out of memory\n");
            require(!most || spans.totals.live <= most, "%zu bytes: %zu slices, at first %zu\n", nbytes, spans.totals.live, most);
            most = spans.totals.live;
            for (int i = 0; i < NBLOCKS; i++) alloc_free(block[i]);
        }
    }
    sound();
}

/* Nobody calls malloc_trim for a thread that sleeps. The first time; who does so over and over keeps what waits
 * (unit/lists_of_classes.c). */
static void free_all(size_t asked, uint64_t *random)
{
    for (int order = 0; order < 3; order++) {
        get_all(asked);
        heap_own()->pairs[class_of(size)].room = 0;
        for (int left = NBLOCKS; left; left--) {
            int i = order == 0 ? NBLOCKS - left : order == 1 ? left - 1 : (int)random_below(random, (uint64_t)left);
            alloc_free(block[i]);
            if (order == 2) block[i] = block[left - 1];
        }
        const struct span *current = heap_own()->current[class_of(size)];
        require(!current, "%zu bytes, order %d: the last span is kept, of %u blocks\n", asked, order, current->capacity);
        sound();
    }
}

static void who_frees_all_of_a_medium_class_keeps_no_span_of_it(void)
{
    of_each_size("who_frees_all_of_a_medium_class_keeps_no_span_of_it", free_all);
}

static uint64_t *shared_random;

/* A thread's first blocks of a class come from spans that all share. */
static void *come_and_go(void *asked)
{
    size = (size_t)asked;
    for (int i = 0; i < YOUNG_MEDIUM; i++) get(i);
    for (int i = 0; i < YOUNG_MEDIUM; i++) alloc_free(block[i]);
    get_all((size_t)asked);
    free_most(shared_random);
    return NULL;
}

static pthread_barrier_t barrier;

static void *come_and_stay(void *asked)
{
    come_and_go(asked);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < NBLOCKS; i++)
        if (!is_live[i]) get(i);
    return NULL;
}

static void trim_beside(size_t asked, uint64_t *random)
{
    pthread_t other;
    int nresident, nidle;
    shared_random = random;
    alloc_free(alloc_malloc(1)); /* now there is a heap to be trimmed */
    require(pthread_create(&other, NULL, come_and_stay, (void *)asked) == 0, "the thread\n");
    pthread_barrier_wait(&barrier);
    heap_trim(heap_own());
    nidle = count_idle(&nresident);
    require(nresident == nidle, "%zu bytes: of %d pages of a thread's free blocks %d are resident\n", asked, nidle, nresident);
    pthread_barrier_wait(&barrier);
    require(pthread_join(other, NULL) == 0, "the thread\n");
    require_intact();
    sound();
}

static void trim_leaves_the_blocks_of_other_threads_alone(void)
{
    require(pthread_barrier_init(&barrier, NULL, 2) == 0, "pthread_barrier_init\n");
    of_each_size("trim_leaves_the_blocks_of_other_threads_alone", trim_beside);
}

/* What may become of the one span that is current: little of it may be carved, or all of that free for long. */
static int npages_of_span(void) { return (int)(class_table[class_of(size)].nslices * SLICE_SIZE / PAGE); }

static void rest(size_t asked, uint64_t *random)
{
    int nresident, nidle;
    get_all(asked);
    free_most(random);
    heap_send_home(heap_own(), class_of(asked)); /* as looks at lists do, a few at a time */
    nidle = count_idle(&nresident);
    patrol();
    patrol();
    count_idle(&nresident);
    require(nresident == nidle, "%zu bytes: %d of %d pages went at once\n", asked, nidle - nresident, nidle);
    let_time_pass();
    patrol();
    purge_down_to(0);
    count_idle(&nresident);
    require(nresident < npages_of_span(), "%zu bytes: %d of %d pages are still resident\n", asked, nresident, nidle);
    require_intact();
    sound();
    for (int i = 0; i < NBLOCKS; i++)
        if (!is_live[i]) get(i);
    require_intact();
    for (int i = 0; i < NBLOCKS; i++) alloc_free(block[i]);
    sound();
}

static void what_rests_is_given_back(void) { of_each_size("what_rests_is_given_back", rest); }

/* One more block is freed of each span in which some are left. */
static void stir(size_t asked, uint64_t *random)
{
    int nresident, nidle;
    uintptr_t last = 0;
    get_all(asked);
    free_most(random);
    patrol();
    let_time_pass();
    for (int i = 0; i < NBLOCKS; i++) {
        uintptr_t span = range.table[range_index(block[i])].start;
        if (!is_live[i] || span == last) continue;
        last = span;
        alloc_free(block[i]);
        is_live[i] = false;
    }
    heap_send_home(heap_own(), class_of(asked));
    nidle = count_idle(&nresident);
    patrol();
    count_idle(&nresident);
    require(nidle - nresident < npages_of_span(), "%zu bytes: %d of %d pages went at once\n", asked, nidle - nresident, nidle);
    require_intact();
    sound();
}

static void what_has_just_been_freed_stays(void) { of_each_size("what_has_just_been_freed_stays", stir); }

/* A turn ended where a span began; that is gone, and the next turn begins in the middle of a longer one. */
static void a_look_begins_inside_a_span(void)
{
    enum { SIZE = 30000 };
    for (int i = 0; i < NBLOCKS; i++) {
        size = SIZE;
        get(i);
    }
    uint64_t random = seed_choose("a_look_begins_inside_a_span", unit_argument);
    free_most(&random);
    size_t nslices = class_table[class_of(SIZE)].nslices;
    for (int i = 0; i < NBLOCKS; i++) {
        size_t first = (range.table[range_index(block[i])].start - range.base) >> SLICE_SHIFT;
        for (size_t k = 1; k < nslices; k++) {
            struct span *inside = range.records + first + k;
            inside->seen = range.table[first].pair->bits;
            inside->seen_since = 1;
            inside->capacity = 1;
        }
    }
    struct heap *heap = heap_own();
    for (heap->patrol_at = 1; heap->patrol_at < range_limit(); heap->patrol_at++) {
        size_t at = heap->patrol_at;
        heap->patrol_due = 0;
        heap_patrol(heap);
        heap->patrol_at = at;
    }
    require_intact();
}

UNIT_MAIN(PROMISE(what_rests_is_given_back), PROMISE(what_has_just_been_freed_stays), PROMISE(a_look_begins_inside_a_span),
          PROMISE(trim_gives_back_the_pages_of_free_blocks), PROMISE(trim_gives_back_spans_that_hold_nothing),
          PROMISE(used_memory_holds_as_many_blocks_as_before), PROMISE(who_frees_all_of_a_medium_class_keeps_no_span_of_it),
          PROMISE(trim_leaves_the_blocks_of_other_threads_alone))
