/* large.c: laws of blocks that are a span each, and of realloc in all sizes (src/heap/large.h, src/api/resize.c). */
#include "api/alloc.h"
#include "base/bits.h"
#include "fail.h"
#include "heap/again.h"
#include "heap/large.h"
#include "os/options.h"
#include "unit.h"
#include "watch/watch.h"

#include <pthread.h>
#include <sys/syscall.h>

static const size_t S = SLICE_SIZE;

static void sound(void) { require(watch_verify() == 0, "the heap is broken\n"); }

static unsigned char *get(size_t size, int fill)
{
    unsigned char *p = alloc_malloc(size);
    require(p != NULL, "no block of %zu bytes\n", size);
    return memset(p, fill, size);
}

static void large_usable_size_is_whole_pages(void)
{
    for (size_t size = MEDIUM_MAX + 1; size < 3 << 20; size += 12345) {
        unsigned char *p = get(size, 1);
        require(alloc_usable_size(p) == round_up(size, PAGE) && (uintptr_t)p % S == 0, "%zu bytes: %zu usable\n", size, alloc_usable_size(p));
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

static enum span_state state_of(const void *p) { return span_state(range.records + range_index(p)); }

static void a_block_that_is_freed_is_kept_for_the_next_of_its_size(void)
{
    unsigned char *p = get(2 * S, 1), *q = get(2 * S, 2), *fence = get(S, 3);
    struct span_totals before = spans.totals;
    for (int i = 0; i < 10; i++) {
        alloc_free(p);
        alloc_free(q);
        require(state_of(p) == SPAN_KEPT && state_of(q) == SPAN_KEPT, "given back\n");
        require(!alloc_usable_size(p) && !large_of(p) && !large_free(p), "it seems to be in use\n");
        sound();
        unsigned char *again = alloc_malloc(2 * S - 5000), *other = alloc_malloc(2 * S);
        require((again == p && other == q) || (again == q && other == p), "it was not kept for this\n");
        require(alloc_usable_size(again) == 2 * S - PAGE && state_of(again) == SPAN_LARGE, "what it is now\n");
        p = again;
        q = other;
    }
    require(memcmp(&before, &spans.totals, sizeof before) == 0, "the page level has been asked\n");
    alloc_free(fence);
    sound();
}

static size_t count_kept(void)
{
    size_t n = 0;
    for (size_t i = 0; i < range_limit(); i += span_nslices(range.records + i))
        if (span_state(range.records + i) == SPAN_KEPT) n += span_nslices(range.records + i);
    return n;
}

static void what_is_kept_is_half_a_megabyte(void)
{
    unsigned char *block[40];
    for (int size = 1; size <= 9; size++) {
        for (int i = 0; i < 40; i++) block[i] = get((size_t)size * S, i);
        for (int i = 0; i < 40; i++) alloc_free(block[i]);
        size_t most = 8 / (size_t)size * (size_t)size;
        require(count_kept() == most, "%zu slices in blocks of %d are kept, not %zu\n", count_kept(), size, most);
        heap_drain(heap_own(), false);
        require(count_kept() == 0, "it was to be given\n");
    }
    options.limit.hard = options.limit.soft = GIB;
    limit_count_again();
    alloc_free(get(S, 1));
    require(count_kept() == 0, "kept, and not charged\n");
    sound();
}

enum { SHARERS = 15 };
static pthread_barrier_t all_there, all_done;

static void *have_a_heap(void *nothing)
{
    alloc_free(get(S, 1));
    pthread_barrier_wait(&all_there);
    pthread_barrier_wait(&all_done);
    return nothing;
}

/* Of 4 MiB, which may be dirty whatever else is, each of 16 heaps has 4 slices. */
static void what_is_kept_is_shared_by_all_threads(void)
{
    pthread_t sharer[SHARERS];
    unsigned char *p = get(5 * S, 1), *q = get(4 * S, 2);
    pthread_barrier_init(&all_there, NULL, SHARERS + 1);
    pthread_barrier_init(&all_done, NULL, SHARERS + 1);
    for (int i = 0; i < SHARERS; i++) require(pthread_create(&sharer[i], NULL, have_a_heap, NULL) == 0, "thread %d\n", i);
    pthread_barrier_wait(&all_there);
    require(count_kept() == SHARERS, "%zu slices are kept\n", count_kept());
    alloc_free(p);
    require(count_kept() == SHARERS, "more than its share\n");
    alloc_free(q);
    require(count_kept() == SHARERS + 4, "less than its share\n");
    sound();
    pthread_barrier_wait(&all_done);
    for (int i = 0; i < SHARERS; i++) pthread_join(sharer[i], NULL);
    require(count_kept() == 4, "a thread that is gone keeps something\n");
    sound();
}

static void *free_it(void *p)
{
    alloc_free(alloc_malloc(16)); /* it has a heap of its own */
    alloc_free(p);
    return NULL;
}

static void *make_one(void *p)
{
    *(unsigned char **)p = get(2 * S, 1);
    return NULL;
}

static void in_thread(void *(*work)(void *), void *argument)
{
    pthread_t other;
    require(pthread_create(&other, NULL, work, argument) == 0 && pthread_join(other, NULL) == 0, "no thread\n");
}

/* As in a pipeline: who only frees has no use for it, who allocates has. */
static void what_another_thread_frees_is_kept_for_its_home(void)
{
    unsigned char *p = get(2 * S, 1);
    for (int i = 0; i < 10; i++) {
        in_thread(free_it, p);
        require(state_of(p) == SPAN_KEPT, "the other thread has it, or nobody\n");
        require(alloc_malloc(2 * S) == p, "it is not kept for this\n");
        sound();
    }
    alloc_free(p);
    large_give_kept(heap_own());
    in_thread(make_one, &p);
    again_look(heap_own()); /* and this thread takes none itself */
    alloc_free(p);
    require(count_kept() == 0, "it is kept for a thread that is gone\n");
    sound();
}

/* Filled and dropped some times, then all is there, up to four times dirty= for one thread, and the page level is not asked. */
static void who_fills_and_drops_has_room_for_all(void)
{
    enum { N = 60, BEYOND = 400 };
    static unsigned char *block[BEYOND];
    for (int round = 0; round < 8; round++) {
        struct span_totals before = spans.totals;
        for (int i = 0; i < N; i++) block[i] = get((size_t)(1 + i % 4) * S - 1000, i);
        for (int i = N; i--;) alloc_free(block[i]);
        bool is_same = spans.totals.live == before.live && spans.totals.dirty == before.dirty && spans.totals.clean == before.clean;
        require(round < 7 || (is_same && spans.totals.shrunk == before.shrunk), "the page level has been asked\n");
    }
    require(count_kept() == N * 10 / 4, "%zu slices are kept\n", count_kept());
    for (int round = 0; round < 8; round++) {
        for (int i = 0; i < BEYOND; i++) block[i] = get(2 * S, i);
        for (int i = 0; i < BEYOND; i++) alloc_free(block[i]);
        require(count_kept() <= 4 * options.dirty / S, "%zu slices are kept\n", count_kept());
    }
    require(count_kept() == 4 * options.dirty / S, "%zu slices are kept\n", count_kept());
    sound();
}

/* Four blocks of any size: of the sizes that are not wanted little more is kept than would fit beside them. */
static void what_is_kept_and_in_use_is_little_more_than_was_in_use(void)
{
    unsigned char *block[4] = {NULL};
    uint64_t random = seed_choose("kept", unit_argument);
    size_t in_use = 0, most = 0;
    for (int i = 0; i < 20000; i++) {
        unsigned char **any = &block[random_below(&random, 4)];
        in_use -= *any ? round_up(alloc_usable_size(*any), S) : 0;
        alloc_free(*any);
        size_t size = S / 2 + 1 + random_below(&random, 4 * (uint32_t)S);
        *any = get(size, 1);
        most = max_size(most, in_use += round_up(size, S));
        require(spans.totals.live * S <= most + most / AGAIN_LITTLE, "%zu slices, of which %zu are kept, and at most %zu were in use\n", spans.totals.live, count_kept(), most / S);
    }
    sound();
}

/* A sixteenth of what is in use is little: what malloc does not find there it takes of what is dirty, and the rest stays. */
static void little_that_is_kept_stays_when_another_size_is_wanted(void)
{
    unsigned char *p[7], *q = get(20 * S, 1), *fence;
    get(200 * S, 1);
    for (int i = 0; i < 7; i++) p[i] = get(S, 1);
    fence = get(S, 1);
    for (int i = 0; i < 7; i++) alloc_free(p[i]);
    alloc_free(q);
    require(count_kept() == 7, "%zu are kept\n", count_kept());
    unsigned char *other = get(2 * S, 1);
    require(count_kept() == 7 && other >= q && other < q + 20 * S, "%zu are kept\n", count_kept());
    alloc_free(fence);
    sound();
}

static void fill_and_drop(void)
{
    enum { N = 300 };
    static unsigned char *block[N];
    for (int round = 0; round < 8; round++) {
        for (int i = 0; i < N; i++) block[i] = get(S, i);
        for (int i = 0; i < N; i++) alloc_free(block[i]);
    }
}

static void room_gets_less_when_other_threads_come(void)
{
    fill_and_drop();
    require(count_kept() == AGAIN_MOST, "%zu slices are kept\n", count_kept());
    pthread_barrier_init(&all_there, NULL, SHARERS + 1);
    pthread_barrier_init(&all_done, NULL, SHARERS + 1);
    pthread_t sharer[SHARERS];
    for (int i = 0; i < SHARERS; i++) require(pthread_create(&sharer[i], NULL, have_a_heap, NULL) == 0, "thread %d\n", i);
    pthread_barrier_wait(&all_there);
    fill_and_drop();
    require(count_kept() <= SHARERS + AGAIN_SHARES * options.dirty / S / (SHARERS + 1), "%zu slices are kept\n", count_kept());
    pthread_barrier_wait(&all_done);
    for (int i = 0; i < SHARERS; i++) pthread_join(sharer[i], NULL);
    sound();
}

static void *fill_drop_and_sleep(void *unused)
{
    fill_and_drop();
    pthread_barrier_wait(&all_there); /* the next may begin */
    pthread_barrier_wait(&all_done);
    return unused;
}

/* The first when there were few others, and each is asleep when the next fills its lists. */
static void threads_that_come_one_after_another_keep_no_more_than_one(void)
{
    pthread_t sleeper[SHARERS];
    pthread_barrier_init(&all_there, NULL, 2);
    pthread_barrier_init(&all_done, NULL, SHARERS + 1);
    for (int i = 0; i < SHARERS; i++) {
        require(pthread_create(&sleeper[i], NULL, fill_drop_and_sleep, NULL) == 0, "thread %d\n", i);
        pthread_barrier_wait(&all_there);
    }
    size_t most = AGAIN_SHARES * options.dirty / S + SHARERS * KEPT_SLICES;
    require(count_kept() <= most, "%zu slices are kept, not %zu\n", count_kept(), most);
    pthread_barrier_wait(&all_done);
    for (int i = 0; i < SHARERS; i++) pthread_join(sleeper[i], NULL);
    require(again_granted == 0, "%u slices of those who are gone are nobody's\n", again_granted);
    sound();
}

static void what_nobody_wants_any_more_goes(void)
{
    enum { N = 100 };
    unsigned char *block[N];
    alloc_free(get(S, 1));
    heap_own()->patrol_due = bits_ticks() + ((uint64_t)1 << 33); /* which looks, too */
    for (int round = 0; round < 8; round++) {
        for (int i = 0; i < N; i++) block[i] = get(S, i);
        for (int i = 0; i < N; i++) alloc_free(block[i]);
        again_look(heap_own());
        require(round < 7 || count_kept() == N, "what is wanted has gone\n");
    }
    for (int i = 0; i < 10; i++) alloc_free(get(S, i));
    again_look(heap_own());
    require(count_kept() == 0, "%zu are kept\n", count_kept());
    sound();
}

static void *free_and_take(void *p)
{
    unsigned char *own = get(2 * S, 1);
    alloc_free(p);
    require(alloc_malloc(2 * S) == p, "somebody else has it\n");
    alloc_free(own);
    return NULL;
}

static void who_takes_such_blocks_keeps_those_of_others(void)
{
    for (int i = 0; i < 3; i++) in_thread(free_and_take, get(2 * S, 1));
    sound();
}

static void keep_one(void)
{
    alloc_free(get(3 * S, 1));
    require(count_kept() == 3, "it is not kept\n");
}

static void *none_for_another(void *nothing)
{
    alloc_malloc(3 * S);
    require(count_kept() == 6, "another thread has got one, or given it back\n");
    large_give_all_kept();
    return nothing;
}

static void nothing_is_kept_when_something_else_is_wanted(void)
{
    pthread_t other;
    unsigned char *p = get(3 * S, 1), *q = get(3 * S, 2);
    alloc_free(p);
    alloc_free(q);
    require(pthread_create(&other, NULL, none_for_another, NULL) == 0 && pthread_join(other, NULL) == 0, "the thread\n");
    require(count_kept() == 6, "another thread has given back what this one may have again\n");
    large_give_kept(heap_own());
    sound();
    p = get(2 * S, 2);
    keep_one();
    alloc_free(get(5 * S, 1));
    require(count_kept() == 5, "another size\n");
    keep_one();
    p = alloc_realloc(p, 3 * S);
    require(count_kept() <= 2 && is_filled(p, 2 * S, 2), "realloc of a large block\n");
    keep_one();
    for (int i = 0; i < 100; i++) get(30000, 3);
    require(count_kept() == 0, "blocks of a class\n");
    keep_one();
    heap_drain(heap_own(), false);
    require(count_kept() == 0, "malloc_trim\n");
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

/* A program that reads into a large buffer, and makes it as small as what it has read, asks for the next; who grows does not. */
static void a_buffer_that_is_made_small_is_kept_for_the_next(void)
{
    void *buffer = alloc_malloc(S);
    alloc_realloc(buffer, 700);
    require(count_kept() == 1, "it was given back to the page level\n");
    require(alloc_malloc(S) == buffer, "the next is another\n");
    alloc_malloc(S); /* right behind it */
    alloc_realloc(buffer, 2 * S);
    require(count_kept() == 0, "kept though outgrown\n");
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

static void realloc_to_less_than_half_returns_the_tail(void)
{
    unsigned char *p = get(64 * S, 0x11), *fence = get(8 * S, 0x22);
    require(alloc_realloc(p, 40 * S) == p && alloc_usable_size(p) == 40 * S, "in place\n");
    size_t live = spans.totals.live;
    require(alloc_realloc(p, 10 * S) == p && is_filled(p, 10 * S, 0x11), "in place\n");
    require(spans.totals.live == live - 54, "%zu slices came back\n", live - spans.totals.live);
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
        require(p && alloc_usable_size(p) >= size && is_filled(p, min_size(kept, 3000), i + 1), "from %zu to %zu\n", block[i].size, size);
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
        if (random_below(&state, 4) == 0) kept[i] = alloc_realloc(kept[i], size = size / 2 + random_below(&state, (uint32_t)size) + 1);
        memset(kept[i], 0xff, random_below(&state, 2) ? size : size / 3);
        if (op % 100 == 0) sound();
    }
}

UNIT_MAIN(PROMISE(large_usable_size_is_whole_pages), PROMISE(large_is_freed_once), PROMISE(a_block_that_is_freed_is_kept_for_the_next_of_its_size),
          PROMISE(what_is_kept_is_half_a_megabyte), PROMISE(what_is_kept_is_shared_by_all_threads), PROMISE(what_another_thread_frees_is_kept_for_its_home),
          PROMISE(nothing_is_kept_when_something_else_is_wanted), PROMISE(who_fills_and_drops_has_room_for_all),
          PROMISE(what_is_kept_and_in_use_is_little_more_than_was_in_use), PROMISE(little_that_is_kept_stays_when_another_size_is_wanted),
          PROMISE(room_gets_less_when_other_threads_come), PROMISE(threads_that_come_one_after_another_keep_no_more_than_one), PROMISE(what_nobody_wants_any_more_goes), PROMISE(who_takes_such_blocks_keeps_those_of_others),
          PROMISE(realloc_grows_in_place_into_a_free_neighbour),
          PROMISE(realloc_by_steps_moves_seldom), PROMISE(a_buffer_that_is_made_small_is_kept_for_the_next),
          PROMISE(realloc_to_less_than_half_returns_the_tail), PROMISE(realloc_moves_pages_and_keeps_their_contents),
          PROMISE(realloc_of_a_big_block_is_never_twice_resident), PROMISE(the_last_block_grows_in_place),
          PROMISE(realloc_moves_within_its_budget), PROMISE(realloc_never_moves_pages_under_mremap_0),
          PROMISE(realloc_keeps_contents_from_any_size_to_any), PROMISE(calloc_of_a_large_block_is_zero_after_any_history))
