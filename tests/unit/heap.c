/* heap.c: laws of thread heaps (src/heap): spans that come and go, frees by others, heaps that are inherited. */
#include "api/life.h"
#include "blocks.h"
#include "heap/remote.h"
#include "os/options.h"

static const size_t SIZES[] = {16, 48, 256, 960, 1024, 1500, 4096, 20000, 32768};
enum { NSIZES = sizeof SIZES / sizeof *SIZES };

static void spans_go_back_when_all_is_free(void)
{
    alloc_malloc(1);
    for (int i = 0; i < NSIZES; i++) {
        heap_drain(heap_own(), true);
        size_t n = many(SIZES[i]), before = live_nbytes(), span = class_table[class_of(SIZES[i])].nslices * SLICE_SIZE;
        fill(n, SIZES[i]);
        require(live_nbytes() >= before + 19 * span, "20 spans of blocks of %zu\n", SIZES[i]);
        free_some(&(struct range_of_blocks){n, 1, 0});
        large_give_kept(heap_own());
        require(live_nbytes() <= before + 2 * span, "blocks of %zu: %zu bytes stay, %zu before\n", SIZES[i], live_nbytes(),
                before);
        sound();
    }
}

/* As strings do to which something is appended in turn. */
static void what_grows_through_all_classes_leaves_few_spans_behind(void)
{
    enum { NSTRINGS = 100 };
    int nleft = 0;
    for (unsigned class = NSMALL; class < NCLASSES; class++)
        for (int i = 0; i < NSTRINGS; i++) {
            void *longer = alloc_malloc(class_table[class].size);
            alloc_free(blocks[i]);
            blocks[i] = longer;
        }
    for (unsigned class = NSMALL; class < NCLASSES; class++) {
        const struct span *span = heap_own()->current[class];
        uint32_t carved = span ? span_desc(span)->carved : 0;
        nleft += carved >= class_table[class].capacity / 2 && heap_own()->pairs[class].bits == ~(uint64_t)0 >> (64 - carved);
    }
    require(nleft <= 2, "%d spans of which nothing is out\n", nleft);
    sound();
}

/* Three full spans become available: one that could soon be empty, one with a few free blocks, one with many. Emptied they would
 * be in the order of their numbers. */
static void refills_last_and_what_is_nearly_empty_is_left_alone(void)
{
    enum { SIZE = 512, NSPANS = 6 };
    static const int NFREED[] = {100, 12, 50}, EXPECTED[] = {2, 1, 0}; /* of 124 */
    size_t n = NSPANS * (size_t)class_table[class_of(SIZE)].capacity;
    uintptr_t start[3], seen[3] = {0};
    fill(n, SIZE);
    for (int k = 0; k < 3; k++) {
        start[k] = start_of(blocks[n / NSPANS * (size_t)(k + 2)]);
        require(span_state(span_of_start(start[k])) == SPAN_FULL, "span %d is not full\n", k);
        free_from(start[k], n, NFREED[k]);
    }
    for (int nseen = 0; nseen < 3;) {
        uintptr_t from = start_of(alloc_malloc(SIZE));
        bool is_one = from == start[0] || from == start[1] || from == start[2];
        if (is_one && (!nseen || seen[nseen - 1] != from)) seen[nseen++] = from;
    }
    for (int k = 0; k < 3; k++) require(seen[k] == start[EXPECTED[k]], "refill %d is not from span %d\n", k, EXPECTED[k]);
    sound();
}

static bool is_next_from(uintptr_t start, size_t size) { return start_of(alloc_malloc(size)) == start; }

/* Two spans with two free blocks each. The first, used up, waits behind the second, and has not been full if a block of it is
 * freed meanwhile; then it has none when it is its turn. What is sent home goes in the order in which malloc would have it. */
static void medium_span_used_up_waits_in_line_for_a_free(void)
{
    enum { SIZE = 4096 };
    size_t capacity = class_table[class_of(SIZE)].capacity, n = 4 * capacity;
    fill(n, SIZE);
    uintptr_t one = start_of(blocks[0]), other = start_of(blocks[capacity]);
    free_from(other, n, 2);
    free_from(one, n, 2);
    heap_send_home(heap_own(), class_of(SIZE));
    require(is_next_from(one, SIZE) && is_next_from(one, SIZE) && is_next_from(other, SIZE), "not in the order of their frees\n");
    require(state_at(one) == SPAN_AVAILABLE, "one does not wait behind the other\n");
    free_from(one, n, 1);
    heap_send_home(heap_own(), class_of(SIZE));
    require(is_next_from(other, SIZE) && is_next_from(one, SIZE), "the block that has been freed meanwhile is not found\n");
    require(!is_next_from(one, SIZE) && state_at(one) == SPAN_FULL && state_at(other) == SPAN_FULL,
            "those without are not let go\n");
    sound();
}

static void spans_go_back_when_other_threads_free(void)
{
    alloc_malloc(1);
    for (int i = 0; i < NSIZES; i++) {
        heap_drain(heap_own(), true);
        size_t n = many(SIZES[i]), before = live_nbytes(), span = class_table[class_of(SIZES[i])].nslices * SLICE_SIZE;
        fill(n, SIZES[i]);
        in_thread(free_some, &(struct range_of_blocks){n, 1, 0});
        sound();
        heap_drain(heap_own(), false);
        require(live_nbytes() <= before + 4 * span, "blocks of %zu: %zu bytes stay, %zu before\n", SIZES[i], live_nbytes(),
                before);
        sound();
    }
}

/* The owner sleeps for ever: what it can no longer give back, others do, but for the last few. */
static void spans_of_a_sleeping_owner_go_back(void)
{
    enum { SIZE = 960, NSPANS = 200 };
    const struct class *class = &class_table[class_of(SIZE)];
    size_t n = (size_t)NSPANS * class->capacity;
    fill(n, SIZE);
    in_thread(free_some, &(struct range_of_blocks){n, 1, 0});
    require(spans.totals.live <= NSPANS / 4, "%zu of %d spans stay\n", spans.totals.live, NSPANS);
    sound();
}

static size_t nwoken(const struct heap *heap)
{
    size_t n = 0;
    for (const struct span *span = atomic_load(&heap->woken); span; span = span->woken_next) n++;
    return n;
}

/* Much that is woken and in use in part lies beside what ripens. */
static void what_ripens_is_looked_for_in_proportion_to_what_does_not(void)
{
    enum { SIZE = 960, NSPANS = 1000, NRIPE = 100 };
    size_t capacity = class_table[class_of(SIZE)].capacity, n = NSPANS * capacity;
    struct heap *heap = (fill(n, SIZE), heap_own());
    in_thread(free_some, &(struct range_of_blocks){n, 2, 0});
    require(nwoken(heap) > NSPANS / 2, "%zu are woken\n", nwoken(heap));
    in_thread(free_some, &(struct range_of_blocks){NRIPE * capacity, 2, 1});
    uint32_t nripe = atomic_load(&heap->nripe), nunripe = atomic_load(&heap->nunripe);
    require(nunripe > NSPANS / 2 && nripe > nunripe / 16, "%u of %u were ripe when somebody looked at all\n", nripe, nunripe);
    in_thread(free_some, &(struct range_of_blocks){n, 2, NRIPE * capacity + 1});
    require(spans.totals.live <= NSPANS / 4, "%zu of %d spans stay\n", spans.totals.live, NSPANS);
    sound();
}

/* 7 us each, and there may be thousands. */
static void malloc_takes_in_few_of_what_is_woken(void)
{
    enum { SIZE = 64, NSPANS = 100 };
    size_t n = NSPANS * (size_t)class_table[class_of(SIZE)].capacity, most = 0;
    fill(n, SIZE);
    in_thread(free_some, &(struct range_of_blocks){n, 4, 0});
    size_t before = nwoken(heap_own());
    require(before > NSPANS / 2, "%zu are woken\n", before);
    for (size_t now; before; before = now) {
        require(alloc_malloc(SIZE) != NULL, "out of memory\n");
        now = nwoken(heap_own());
        most = max_size(most, before - now);
    }
    require(most <= WOKEN_FEW, "%zu at once\n", most);
    require(spans.totals.live <= NSPANS + NSPANS / 4, "%zu spans for what was in %d\n", spans.totals.live, NSPANS);
    sound();
}

static void memory_freed_by_others_is_used_again(void)
{
    for (int i = 0; i < NSIZES; i++) {
        size_t n = many(SIZES[i]);
        fill(n, SIZES[i]);
        size_t most = live_nbytes();
        for (int round = 0; round < 10; round++) {
            in_thread(free_some, &(struct range_of_blocks){n, 2, 0});
            for (size_t k = 0; k < n; k += 2) blocks[k] = alloc_malloc(SIZES[i]);
            require(live_nbytes() <= most + most / 4 + 8 * SLICE_SIZE, "blocks of %zu, round %d: %zu bytes, from %zu\n", SIZES[i],
                    round, live_nbytes(), most);
        }
        free_some(&(struct range_of_blocks){n, 1, 0});
        sound();
    }
}

static void interleaved_frees_by_owner_and_others_agree(void)
{
    for (int i = 0; i < NSIZES; i++) {
        size_t n = many(SIZES[i]);
        for (size_t step = 2; step < 5; step++) {
            fill(n, SIZES[i]);
            for (size_t offset = 0; offset < step; offset++) {
                struct range_of_blocks some = {n, step, offset};
                if (offset % 2) free_some(&some);
                else in_thread(free_some, &some);
                sound();
            }
        }
    }
}

static void *fill_in_thread(void *size)
{
    fill(many(*(size_t *)size), *(size_t *)size);
    return NULL;
}

static void blocks_outlive_their_thread(void)
{
    for (int i = 0; i < NSIZES; i++) {
        size_t size = SIZES[i];
        in_thread(fill_in_thread, &size);
        for (size_t k = 0; k < many(size); k++) memset(blocks[k], 0x42, size);
        sound();
        free_some(&(struct range_of_blocks){many(size), 1, 0});
        sound();
    }
    heap_drain(heap_own(), false);
    sound();
}

static void *note_heap(void *slot)
{
    free(malloc(1));
    alloc_free(alloc_malloc(5000));
    *(struct heap **)slot = heap_own();
    return NULL;
}

static void heaps_are_recycled(void)
{
    struct heap *first, *second;
    alloc_malloc(1);
    in_thread(note_heap, &first);
    in_thread(note_heap, &second);
    require(first && first == second && first != heap_own(), "%p, then %p\n", (void *)first, (void *)second);
    for (int i = 0; i < 1000; i++) in_thread(note_heap, &second);
    require(heap_at(3) == NULL, "more heaps than threads\n");
    sound();
}

static pthread_barrier_t meeting;

static void *idle(void *unused)
{
    alloc_malloc(16);
    alloc_malloc(100);
    pthread_barrier_wait(&meeting);
    pthread_barrier_wait(&meeting);
    return unused;
}

/* A page a class for each of a hundred threads that allocate twice would be 800 KiB, a span each 12 MiB. */
static void idle_threads_share_spans(void)
{
    enum { NTHREADS = 100 };
    pthread_t threads[NTHREADS];
    alloc_malloc(1);
    size_t before = live_nbytes();
    pthread_barrier_init(&meeting, NULL, NTHREADS + 1);
    for (int i = 0; i < NTHREADS; i++) require(pthread_create(&threads[i], NULL, idle, NULL) == 0, "no thread\n");
    pthread_barrier_wait(&meeting);
    require(live_nbytes() - before <= 4 * SLICE_SIZE, "%zu bytes of spans for %d idle threads\n", live_nbytes() - before,
            NTHREADS);
    pthread_barrier_wait(&meeting);
    for (int i = 0; i < NTHREADS; i++) pthread_join(threads[i], NULL);
    sound();
}

static void *begin_a_class(void *is_clean)
{
    enum { SIZE = 500 };
    for (unsigned i = 0; i <= heap_nfirst(class_of(SIZE)); i++) alloc_malloc(SIZE);
    const struct span *current = heap_own()->current[class_of(SIZE)];
    *(bool *)is_clean = current && current->is_clean;
    pthread_barrier_wait(&meeting);
    return is_clean;
}

/* What is dirty would be held whole, in 64 KiB of each class for each thread. */
static void many_threads_begin_in_clean_memory(void)
{
    enum { NTHREADS = 8, FIRST = 4 };
    pthread_t threads[NTHREADS];
    bool is_clean[NTHREADS];
    char *clean = alloc_malloc(4 << 20), *fence = alloc_malloc(200000), *dirty = alloc_malloc(2 << 20);
    memset(dirty, 1, 2 << 20);
    alloc_free(dirty);
    span_give_clean(large_of(clean));
    pthread_barrier_init(&meeting, NULL, NTHREADS);
    for (int i = 0; i < NTHREADS; i++)
        require(pthread_create(&threads[i], NULL, begin_a_class, &is_clean[i]) == 0, "no thread\n");
    int nclean = 0;
    for (int i = 0; i < NTHREADS; i++) pthread_join(threads[i], NULL), nclean += is_clean[i];
    require(nclean >= NTHREADS - FIRST, "%d of %d\n", nclean, NTHREADS);
    alloc_free(fence);
}

static pthread_key_t late_key;

static void late(void *round)
{
    for (int i = 0; i < 100; i++) blocks[i] = alloc_malloc(48);
    for (int i = 0; i < 100; i++) alloc_free(blocks[i]);
    alloc_free(blocks[NMAX - 1]);
    blocks[NMAX - 1] = alloc_malloc(4000);
    if ((uintptr_t)round < 4) pthread_setspecific(late_key, (void *)((uintptr_t)round + 1));
}

static void *end_late(void *unused)
{
    blocks[NMAX - 1] = alloc_malloc(4000);
    pthread_setspecific(late_key, (void *)1);
    return unused;
}

static void destructors_that_run_last_may_allocate(void)
{
    alloc_malloc(1);
    pthread_key_create(&late_key, late);
    for (int i = 0; i < 50; i++) {
        in_thread(end_late, NULL);
        alloc_free(blocks[NMAX - 1]);
        sound();
    }
}

/* As the padding of a structure does that was copied from where a free block had been: all of a link, or all but the tag over its
 * end. */
static void live_block_that_holds_a_link_is_not_taken_for_free(void)
{
    for (int hardened = 0; hardened < 2; hardened++) {
        options.mode = hardened ? MODE_HARDENED : MODE_FAST;
        for (size_t size = 16; size <= 900; size += 52) {
            for (int tag = 0; tag < 40; tag++) {
                char *live = alloc_malloc(size), *gone[3] = {alloc_malloc(size), alloc_malloc(size), alloc_malloc(size)};
                for (int i = 0; i < 3; i++) alloc_free(gone[i]);
                memcpy(live, gone[tag % 3], 8);
                if (tag > 2) live[0] = (char)tag, live[1] = 0;
                require(alloc_usable_size(live) >= size, "a live block of %zu bytes that holds a link has no size\n", size);
                char before[8];
                memcpy(before, live, 8);
                live = alloc_realloc(live, 3 * size);
                require(live && memcmp(live, before, 8) == 0, "a live block of %zu bytes that holds a link is not resized\n",
                        size);
                memcpy(live, before, 8);
                alloc_free(live);
            }
        }
        sound();
    }
    options.mode = MODE_FAST;
}

/* Or who walks a list that its owner changes meanwhile could come from a block that was on it to one that is out. */
static void hardened_mode_gives_nothing_that_holds_a_link(void)
{
    size_t n = many(48), nbytes = 10 * SLICE_SIZE;
    alloc_malloc(1);
    options.mode = MODE_HARDENED;
    fill(n, 48);
    uintptr_t from = (uintptr_t)blocks[0], end = (uintptr_t)blocks[n - 1];
    free_some(&(struct range_of_blocks){n, 1, 0});
    char *large = alloc_malloc(nbytes);
    require((uintptr_t)large + nbytes > from && (uintptr_t)large < end, "not where small blocks were\n");
    for (size_t i = 0; i < nbytes; i += GRANULE)
        require(!block_is_sound((struct block *)(void *)(large + i)),
                "what was a free block's link is %zu bytes into a large block\n", i);
}

static int status_of_child(void)
{
    pid_t child = fork();
    int status;
    if (child == 0) {
        watchdog(20);
        free_some(&(struct range_of_blocks){many(48), 2, 0});
        fill(many(4096), 4096);
        sound();
        in_thread(fill_in_thread, (void *)(uintptr_t)&SIZES[2]);
        sound();
        _exit(0);
    }
    return waitpid(child, &status, 0) == child ? status : -1;
}

static volatile bool is_over;

static void *churn(void *unused)
{
    void *own[64] = {NULL};
    for (uint64_t state = (uintptr_t)&own; !is_over;) {
        void **slot = &own[random_below(&state, 64)];
        alloc_free(*slot);
        *slot = alloc_malloc(1 + random_below(&state, random_below(&state, 20) ? 2000 : 600000));
    }
    for (int i = 0; i < 64; i++) alloc_free(own[i]);
    return unused;
}

static void fork_among_threads_leaves_a_sound_heap(void)
{
    pthread_t threads[3];
    fill(many(48), 48);
    for (int i = 0; i < 3; i++) require(pthread_create(&threads[i], NULL, churn, NULL) == 0, "no thread\n");
    for (long i = scaled(500); i > 0; i--) {
        int status = status_of_child();
        require(status == 0, "a child ended with status %x, %ld to go\n", (unsigned)status, i);
    }
    is_over = true;
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    sound();
}

UNIT_MAIN(PROMISE(spans_go_back_when_all_is_free), PROMISE(what_grows_through_all_classes_leaves_few_spans_behind),
          PROMISE(refills_last_and_what_is_nearly_empty_is_left_alone), PROMISE(medium_span_used_up_waits_in_line_for_a_free),
          PROMISE(spans_go_back_when_other_threads_free), PROMISE(spans_of_a_sleeping_owner_go_back),
          PROMISE(memory_freed_by_others_is_used_again), PROMISE(what_ripens_is_looked_for_in_proportion_to_what_does_not),
          PROMISE(malloc_takes_in_few_of_what_is_woken), PROMISE(interleaved_frees_by_owner_and_others_agree),
          PROMISE(blocks_outlive_their_thread), PROMISE(heaps_are_recycled), PROMISE(idle_threads_share_spans),
          PROMISE(many_threads_begin_in_clean_memory), PROMISE(destructors_that_run_last_may_allocate),
          PROMISE(live_block_that_holds_a_link_is_not_taken_for_free), PROMISE(hardened_mode_gives_nothing_that_holds_a_link),
          PROMISE(fork_among_threads_leaves_a_sound_heap))
