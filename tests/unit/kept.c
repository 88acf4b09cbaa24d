/* kept.c: laws of large blocks that are kept when they are freed: by their heap (src/heap/large.c), or for the thread that has
 * freed them (again.h). */
#include "base/bits.h"
#include "heap/again.h"
#include "os/options.h"
#include "slices.h"

#include <pthread.h>
#include <semaphore.h>

static enum span_state state_of(const void *p) { return span_state(range.records + range_index(p)); }

/* In the same span, perhaps some cache lines on. */
static bool is_where(const void *p, const void *q) { return range_index(p) == range_index(q); }

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
        require((is_where(again, p) && is_where(other, q)) || (is_where(again, q) && is_where(other, p)), "it was not kept for this\n");
        require(alloc_usable_size(again) == 2 * S - PAGE && state_of(again) == SPAN_LARGE, "what it is now\n");
        p = again;
        q = other;
    }
    require(memcmp(&before, &spans.totals, sizeof before) == 0, "the page level has been asked\n");
    alloc_free(fence);
    sound();
}

/* Rather than one from the page level, for which others would go; if not too many have such already. */
static void one_of_a_slice_more_serves_if_there_is_none_of_its_size(void)
{
    enum { N = KEPT_SLICES / 2 };
    unsigned char *block[N];
    for (int i = 0; i < N; i++) block[i] = get(2 * S, i);
    for (int i = 0; i < N; i++) alloc_free(block[i]);
    struct span_totals before = spans.totals;
    for (int i = 0; i < N; i++) {
        block[i] = get(S - 100, i);
        require(span_nslices(large_of(block[i])) == 2, "block %d has none of these\n", i);
    }
    require(memcmp(&before, &spans.totals, sizeof before) == 0, "the page level has been asked\n");
    require(heap_own()->again.nlarger == N, "%u of %d are counted\n", heap_own()->again.nlarger, N);
    sound();
    for (int i = 0; i < N; i++) alloc_free(block[i]);
    require(heap_own()->again.nlarger == 0, "%u are counted still\n", heap_own()->again.nlarger);
    heap_own()->again.nlarger = AGAIN_LARGER;
    unsigned char *p = get(S - 100, 1), *q = get(2 * S, 2);
    require(span_nslices(large_of(p)) == 1 && span_nslices(large_of(q)) == 2, "too many have more than they need\n");
    alloc_free(p), alloc_free(q);
    sound();
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
    sound();
}

enum { SHARERS = 15 };

/* A thread that does what it is told, and sleeps in between. */
struct worker {
    pthread_t thread;
    sem_t told, done;
    void (*work)(void); /* NULL: end */
    size_t room;
};

static void *live(void *own)
{
    for (struct worker *worker = own; sem_wait(&worker->told), worker->work; sem_post(&worker->done)) {
        worker->work();
        worker->room = heap_own()->again.room;
    }
    return own;
}

static void tell(struct worker *worker, void (*work)(void))
{
    worker->work = work;
    sem_post(&worker->told);
    if (work) sem_wait(&worker->done);
    else pthread_join(worker->thread, NULL);
}

static void hire(struct worker *worker)
{
    sem_init(&worker->told, 0, 0);
    sem_init(&worker->done, 0, 0);
    require(pthread_create(&worker->thread, NULL, live, worker) == 0, "no thread\n");
}

static void free_one(void) { alloc_free(get(S, 1)); }

static struct worker workers[SHARERS];

static void hire_all(void)
{
    for (int i = 0; i < SHARERS; i++) hire(&workers[i]), tell(&workers[i], free_one);
}

static void dismiss_all(void)
{
    for (int i = 0; i < SHARERS; i++) tell(&workers[i], NULL);
}

/* Of 4 MiB, which may be dirty whatever else is, each of 16 heaps has 4 slices. */
static void what_is_kept_is_shared_by_all_threads(void)
{
    unsigned char *p = get(5 * S, 1), *q = get(4 * S, 2);
    hire_all();
    require(count_kept() == SHARERS, "%zu slices are kept\n", count_kept());
    alloc_free(p);
    require(count_kept() == SHARERS, "more than its share\n");
    alloc_free(q);
    require(count_kept() == SHARERS + 4, "less than its share\n");
    sound();
    dismiss_all();
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
        bool is_same =
            spans.totals.live == before.live && spans.totals.dirty == before.dirty && spans.totals.clean == before.clean;
        require(round < 7 || (is_same && spans.totals.shrunk == before.shrunk), "the page level has been asked\n");
    }
    size_t all = N * 10 / 4, more = count_kept() - all; /* some had one more than they needed at first */
    require(more <= all / AGAIN_LITTLE, "%zu slices are kept\n", count_kept());
    for (int round = 0; round < 8; round++) {
        for (int i = 0; i < BEYOND; i++) block[i] = get(2 * S, i);
        for (int i = 0; i < BEYOND; i++) alloc_free(block[i]);
        require(count_kept() <= 4 * options.dirty / S, "%zu slices are kept\n", count_kept());
    }
    require(count_kept() == 4 * options.dirty / S, "%zu slices are kept\n", count_kept());
    sound();
}

/* Four blocks of any size: of the sizes that are not wanted little more is kept than would fit beside them, but for a slice that
 * some have more. */
static void replace_four(uint32_t most_nslices)
{
    unsigned char *block[4] = {NULL};
    uint64_t random = seed_choose("kept", unit_argument);
    size_t in_use = 0, most = 0;
    for (int i = 0; i < 20000; i++) {
        unsigned char **any = &block[random_below(&random, 4)];
        in_use -= *any ? round_up(alloc_usable_size(*any), S) : 0;
        alloc_free(*any);
        size_t size = S / 2 + 1 + random_below(&random, most_nslices * (uint32_t)S);
        *any = get(size, 1);
        most = max_size(most, in_use += round_up(size, S));
        size_t larger = heap_own()->again.nlarger * S;
        require(spans.totals.live * S <= most + most / AGAIN_LITTLE + larger,
                "%zu slices, of which %zu are kept, and at most %zu were in use\n", spans.totals.live, count_kept(), most / S);
    }
    sound();
}

static void what_is_kept_and_in_use_is_little_more_than_was_in_use(void) { replace_four(AGAIN_SLICES); }
static void it_is_so_when_some_are_too_large_to_be_kept(void) { replace_four(INSTEAD_SLICES); }

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

/* Too large for what is kept, and some that is dirty is large enough: as much goes as it takes, not all. */
static void some_that_is_kept_stays_when_a_larger_one_is_wanted(void)
{
    unsigned char *p[KEPT_SLICES], *q = get(20 * S, 1);
    get(S, 1);
    for (int i = 0; i < KEPT_SLICES; i++) p[i] = get(S, 1), get(S, 1);
    for (int i = 0; i < KEPT_SLICES; i++) alloc_free(p[i]);
    alloc_free(q);
    require(count_kept() == KEPT_SLICES, "%zu are kept\n", count_kept());
    unsigned char *larger = get(6 * S, 1);
    require(count_kept() == KEPT_SLICES - 6, "%zu are kept\n", count_kept());
    require(larger >= q && larger < q + 20 * S, "it lies elsewhere\n");
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

/* How often the page level gives or takes while so many blocks are filled and dropped. */
static int count_trips(size_t n, size_t nslices)
{
    static unsigned char *block[2 * AGAIN_MOST];
    size_t live = spans.totals.live;
    int ntrips = 0;
    for (size_t i = 0; i < n; i++) block[i] = get(nslices * S, 1), ntrips += spans.totals.live != live, live = spans.totals.live;
    for (size_t i = 0; i < n; i++) alloc_free(block[i]), ntrips += spans.totals.live != live, live = spans.totals.live;
    return ntrips;
}

static void who_fills_and_drops_more_than_may_be_kept_asks_for_many_at_once(void)
{
    free_one();
    hire(workers), tell(workers, free_one);
    for (size_t nslices = 1; nslices <= AGAIN_SLICES; nslices *= 2) {
        size_t beyond = options.dirty / S / 2, n = (AGAIN_SHARES * heap_share + beyond) / nslices, flock = FLOCK / nslices,
               all = 2 * beyond / nslices;
        for (int round = 0; round < 8; round++) count_trips(n, nslices);
        int ntrips = count_trips(n, nslices);
        require((size_t)ntrips <= all / flock + 2, "blocks of %zu slices: %d trips for %zu\n", nslices, ntrips, all);
        sound();
    }
    tell(workers, NULL);
}

/* Nothing else may come by for long. */
static void what_is_freed_in_bulk_beside_another_thread_goes_back(void)
{
    enum { N = 3000 };
    static unsigned char *block[N];
    free_one();
    hire(workers), tell(workers, free_one);
    /* little at a time, so that nothing is purged and wanted again */
    for (size_t n = KEPT_SLICES; heap_own()->again.room < AGAIN_SHARES * heap_share; n += 4) count_trips(n, 1);
    for (int i = 0; i < N; i++) block[i] = get(S, 1);
    for (int i = 0; i < N; i++) alloc_free(block[i]);
    require(spans.totals.dirty <= N / 4, "%zu slices are dirty\n", spans.totals.dirty);
    tell(workers, NULL);
    sound();
}

static void nothing_is_kept_under_a_limit(void)
{
    options.limit.hard = options.limit.soft = GIB; /* before anything has been allocated */
    fill_and_drop();
    require(count_kept() == 0, "kept, and not charged\n");
    sound();
}

static void room_gets_less_when_other_threads_come(void)
{
    fill_and_drop();
    require(count_kept() > AGAIN_MOST - FLOCK && count_kept() <= AGAIN_MOST, "%zu slices are kept\n", count_kept());
    hire_all();
    fill_and_drop();
    require(count_kept() <= SHARERS + AGAIN_SHARES * options.dirty / S / (SHARERS + 1), "%zu slices are kept\n", count_kept());
    dismiss_all();
    sound();
}

static void keep_few_in_use(void)
{
    fill_and_drop();
    for (int i = 0; i < 40; i++) get(S, i); /* more than its share of room */
}

/* The first when there were few others; each is asleep when the next fills its lists, but for one more block, or for ever. */
static void keep_little_one_after_another(bool are_woken)
{
    for (int i = 0; i < SHARERS; i++) {
        hire(&workers[i]);
        tell(&workers[i], fill_and_drop);
        if (i && are_woken) tell(&workers[i - 1], free_one);
    }
    size_t most = AGAIN_SHARES * options.dirty / S + SHARERS * KEPT_SLICES;
    require(count_kept() <= most, "%zu slices are kept, not %zu\n", count_kept(), most);
    dismiss_all();
    require(again_granted == 0, "%u slices of those who are gone are nobody's\n", again_granted);
    sound();
}

static void threads_that_come_one_after_another_keep_little(void) { keep_little_one_after_another(false); }
static void threads_that_are_woken_once_more_keep_little(void) { keep_little_one_after_another(true); }

static void each_thread_has_room_for_its_share(void)
{
    hire_all();
    for (int i = 0; i < SHARERS; i++) tell(&workers[i], keep_few_in_use);
    for (int i = 0; i < SHARERS; i++)
        require(workers[i].room == AGAIN_SHARES * heap_share, "thread %d has room for %zu slices\n", i, workers[i].room);
    dismiss_all();
    sound();
}

static void those_who_are_gone_have_no_share(void)
{
    size_t alone = (alloc_free(get(S, 1)), heap_share);
    hire_all();
    require(heap_share == alone / (SHARERS + 1), "%zu slices each of %zu\n", heap_share, alone);
    dismiss_all();
    require(heap_share == alone, "%zu slices of %zu\n", heap_share, alone);
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

UNIT_MAIN(PROMISE(one_of_a_slice_more_serves_if_there_is_none_of_its_size),
          PROMISE(a_block_that_is_freed_is_kept_for_the_next_of_its_size), PROMISE(what_is_kept_is_half_a_megabyte),
          PROMISE(nothing_is_kept_under_a_limit), PROMISE(what_is_kept_is_shared_by_all_threads),
          PROMISE(what_another_thread_frees_is_kept_for_its_home), PROMISE(nothing_is_kept_when_something_else_is_wanted),
          PROMISE(who_fills_and_drops_has_room_for_all), PROMISE(what_is_kept_and_in_use_is_little_more_than_was_in_use),
          PROMISE(it_is_so_when_some_are_too_large_to_be_kept), PROMISE(little_that_is_kept_stays_when_another_size_is_wanted),
          PROMISE(some_that_is_kept_stays_when_a_larger_one_is_wanted),
          PROMISE(who_fills_and_drops_more_than_may_be_kept_asks_for_many_at_once),
          PROMISE(what_is_freed_in_bulk_beside_another_thread_goes_back), PROMISE(room_gets_less_when_other_threads_come),
          PROMISE(threads_that_come_one_after_another_keep_little), PROMISE(threads_that_are_woken_once_more_keep_little),
          PROMISE(each_thread_has_room_for_its_share), PROMISE(those_who_are_gone_have_no_share),
          PROMISE(what_nobody_wants_any_more_goes), PROMISE(who_takes_such_blocks_keeps_those_of_others),
          PROMISE(a_buffer_that_is_made_small_is_kept_for_the_next))
