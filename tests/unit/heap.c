/* heap.c: laws of thread heaps (src/heap): spans that come and go, frees by others, heaps that are inherited. */
#include "api/life.h"
#include "blocks.h"
#include "heap/remote.h"
#include "os/options.h"

static const size_t SIZES[] = {16, 48, 256, 960, 1024, 4096, 20000, 32768};
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
        require(live_nbytes() <= before + 2 * span, "blocks of %zu: %zu bytes stay, %zu before\n", SIZES[i], live_nbytes(), before);
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

static uintptr_t start_of(const void *block) { return range.table[range_index(block)].start; }

static void free_from(uintptr_t start, size_t nblocks, int n)
{
    for (size_t i = 0; i < nblocks && n; i++)
        if (blocks[i] && start_of(blocks[i]) == start) alloc_free(blocks[i]), blocks[i] = NULL, n--;
    require(n == 0, "a span of too few blocks\n");
}

/* Three full spans become available: one that could soon be empty, one with a few free blocks, one with many. Emptied they would be in the
 * order of their numbers. */
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

static enum span_state state_at(uintptr_t start) { return span_state(span_of_start(start)); }

static bool is_next_from(uintptr_t start, size_t size) { return start_of(alloc_malloc(size)) == start; }

static size_t nlive_now(void)
{
    struct watch_totals totals;
    watch_count(&totals);
    return totals.nlive;
}

/* Two spans with two free blocks each. The first, used up, waits behind the second, and has not been full if a block of it is freed
 * meanwhile; then it has none when it is its turn. What is sent home goes in the order in which malloc would have it. */
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
    require(!is_next_from(one, SIZE) && state_at(one) == SPAN_FULL && state_at(other) == SPAN_FULL, "those without are not let go\n");
    sound();
}

static size_t length_of(const struct pair *list)
{
    size_t n = 0;
    for (const struct block *block = list->head; block; block = block_next(block)) n++;
    return n;
}

/* Of whichever spans, which stay full; and are as free as any others. */
static void medium_blocks_are_taken_as_they_were_freed_last(void)
{
    enum { SIZE = 4096, NLISTED = 4 };
    size_t capacity = class_table[class_of(SIZE)].capacity, nlive;
    fill((NLISTED + 1) * capacity, SIZE);
    nlive = nlive_now();
    for (size_t k = 0; k < NLISTED; k++) {
        void *block = blocks[k * capacity];
        alloc_free(block), sound();
        require(nlive_now() == nlive - k - 1 && alloc_is_free(range.table + range_index(block), block), "block %zu is not free\n", k);
    }
    for (size_t k = NLISTED; k--;) {
        require(state_at(start_of(blocks[k * capacity])) == SPAN_FULL, "span %zu has left what it was\n", k);
        require(alloc_malloc(SIZE) == blocks[k * capacity], "span %zu: not what was freed last\n", k);
    }
    require(nlive_now() == nlive, "%zu blocks are live, of %zu\n", nlive_now(), nlive);
}

/* What is freed in bulk nobody has asked for: few wait. Of what comes and goes more, up to ROOM; it goes home after two looks, and nothing comes in
 * its place until somebody asks. */
static void list_of_medium_blocks_is_as_long_as_it_is_used(void)
{
    enum { SIZE = 4096, NLOOKS = 2 * 4, NSPANS = 8 };
    unsigned class = class_of(SIZE);
    alloc_free(alloc_malloc(SIZE));
    struct heap *heap = heap_own();
    size_t n = NSPANS * class_table[class].capacity, most = ROOM / class_table[class].size, before = spans.totals.live;
    fill(n, SIZE);
    for (size_t i = 0; i < n; i++) alloc_free(blocks[i]);
    require(length_of(&heap->pairs[class]) <= 4, "%zu blocks wait\n", length_of(&heap->pairs[class]));
    require(spans.totals.live <= before + 3, "%zu slices stay, of %zu\n", spans.totals.live - before, n);
    fill(1, SIZE);
    for (size_t k = 1; k < 2 * most; fill(++k, SIZE)) {
        for (size_t i = 0; i < k; i++) alloc_free(blocks[i]);
        require(length_of(&heap->pairs[class]) <= most, "%zu blocks wait, of %zu\n", length_of(&heap->pairs[class]), most);
        sound();
        if (k == most) require(length_of(&heap->pairs[class]) == most, "%zu blocks wait, of %zu\n", length_of(&heap->pairs[class]), most);
    }
    for (int i = 0; i < NLOOKS; i++) heap->nslow += PATROL_ROADS, heap_patrol(heap);
    require(!heap->pairs[class].head, "what nobody wants stays\n");
    alloc_free(blocks[0] = alloc_malloc(SIZE)), sound();
}

/* Every so many frees somebody looks at what is dirty, though none takes a slow road. */
static void pairs_of_medium_blocks_look_at_what_is_dirty(void)
{
    enum { SIZE = 4096, NPAIRS = UINT16_MAX + PATROL_EVERY };
    alloc_free(alloc_malloc(SIZE));
    for (int round = 0; round < 2; round++) {
        uint32_t before = heap_own()->nslow;
        for (int i = 0; i < (round ? PATROL_EVERY + 1 : NPAIRS); i++) alloc_free(alloc_malloc(SIZE));
        require(heap_own()->nslow != before, "nobody has looked\n");
    }
}

/* All blocks of a span, its own and others' frees mixed. */
static void medium_span_of_which_owner_and_others_free_goes_back(void)
{
    enum { SIZE = 4096 };
    size_t capacity = class_table[class_of(SIZE)].capacity;
    fill(3 * capacity, SIZE);
    alloc_free(blocks[capacity]);
    in_thread(free_some, &(struct range_of_blocks){2 * capacity, 1, capacity + 1});
    heap_drain(heap_own(), false);
    require(range.table[range_index(blocks[capacity])].owner == OWNER_NONE, "all is free, and the span is kept\n");
    sound();
}

/* Of small blocks of 960 bytes: a span of 68, full but for the four whose frees make it available, is soon full again, and attached. */
enum { LISTED_SIZE = 960 };
static bool is_attached_at(uintptr_t start)
{
    const struct pair *pair = span_desc(span_of_start(start))->pair;
    return state_at(start) == SPAN_FULL && pair == &heap_own()->pairs[class_of(LISTED_SIZE)];
}

static bool is_used_up(const struct heap *heap, unsigned class)
{
    const struct span *span = heap->current[class];
    return heap->nfirst[class] >= heap_nyoung(class) + BORROWED && span && !heap->pairs[class].head && span_desc(span)->carved == span->capacity;
}

/* Attaches so many spans; blocks[k * capacity] is in the k-th. */
static void attach(size_t nspans)
{
    unsigned class = class_of(LISTED_SIZE);
    size_t capacity = class_table[class].capacity, n = 2 * nspans * capacity;
    do alloc_malloc(LISTED_SIZE);
    while (!is_used_up(heap_own(), class));
    size_t before = nlive_now();
    fill(n, LISTED_SIZE);
    for (size_t k = 0; k < nspans; k++) free_from(start_of(blocks[k * capacity + 4]), n, 4);
    for (size_t left = 4 * nspans; left--;) {
        void *block = alloc_malloc(LISTED_SIZE);
        size_t i = 0;
        while (i < n && (blocks[i] || start_of(blocks[i / capacity * capacity + 4]) != start_of(block))) i++;
        require(i < n, "a block of another span\n");
        blocks[i] = block;
    }
    blocks[n++] = alloc_malloc(LISTED_SIZE); /* so the last is used up, too */
    for (size_t k = 0; k < nspans; k++) require(is_attached_at(start_of(blocks[k * capacity])), "span %zu is not full and attached\n", k);
    require(nlive_now() == before + n, "%zu blocks are counted, %zu are live\n", nlive_now() - before, n);
    sound();
}

static void blocks_of_attached_spans_are_taken_as_they_were_freed_last(void)
{
    enum { NATTACHED = 4 };
    attach(NATTACHED);
    size_t capacity = class_table[class_of(LISTED_SIZE)].capacity, before = nlive_now();
    for (size_t k = 0; k < NATTACHED; k++) alloc_free(blocks[k * capacity]), sound();
    require(nlive_now() == before - NATTACHED, "%zu blocks are counted, not %zu\n", nlive_now(), before - NATTACHED);
    for (size_t k = NATTACHED; k--;) require(alloc_malloc(LISTED_SIZE) == blocks[k * capacity], "span %zu: not what was freed last\n", k);
    for (size_t k = 0; k < NATTACHED; k++) require(is_attached_at(start_of(blocks[k * capacity])), "span %zu has moved\n", k);
    sound();
}

/* What others free of one makes it available, and what is on the list of it is taken all the same; what others free to the last gives it back. */
static void attached_spans_take_in_what_others_free(void)
{
    size_t capacity = class_table[class_of(LISTED_SIZE)].capacity;
    attach(4);
    alloc_free(blocks[0]);
    in_thread(free_some, &(struct range_of_blocks){11, 1, 1});
    heap_drain(heap_own(), false);
    require(state_at(start_of(blocks[0])) == SPAN_AVAILABLE, "it is not available\n");
    sound();
    in_thread(free_some, &(struct range_of_blocks){2 * capacity, 1, capacity});
    heap_drain(heap_own(), false);
    require(range.table[range_index(blocks[capacity])].owner == OWNER_NONE, "all is free, and the span is kept\n");
    alloc_free(blocks[2 * capacity]);
    in_thread(free_some, &(struct range_of_blocks){2 * capacity + 11, 1, 2 * capacity + 1});
    heap_collect_woken(heap_own());
    sound();
    require(alloc_malloc(LISTED_SIZE) == blocks[2 * capacity], "what is on the list is not taken first\n");
    sound();
}

/* No span is the first of which nothing is out. */
static void attached_spans_of_which_a_little_is_freed_in_turn_go_back(void)
{
    enum { NATTACHED = 60 };
    size_t capacity = class_table[class_of(LISTED_SIZE)].capacity, nleft = 0;
    attach(NATTACHED);
    for (size_t i = 0; i < NATTACHED * capacity; i++) alloc_free(blocks[i % NATTACHED * capacity + i / NATTACHED]);
    for (size_t k = 0; k < NATTACHED; k++) nleft += range.table[range_index(blocks[k * capacity])].owner != OWNER_NONE;
    require(nleft <= NATTACHED / 2, "%zu of %d are left\n", nleft, NATTACHED);
    sound();
}

static void blocks_that_nobody_wants_go_back_to_attached_spans(void)
{
    size_t before = live_nbytes(), n = 100 * (size_t)class_table[class_of(LISTED_SIZE)].capacity;
    uint64_t random = 1;
    fill(n, LISTED_SIZE);
    for (size_t i = 0; i < 20 * n; i++) {
        void **block = &blocks[random_below(&random, (uint32_t)n)];
        alloc_free(*block);
        *block = alloc_malloc(LISTED_SIZE);
    }
    sound();
    for (size_t left = n, i; left;) {
        if (!blocks[i = random_below(&random, (uint32_t)n)]) continue;
        alloc_free(blocks[i]), blocks[i] = NULL;
        if (--left % (n / 10) == 0) sound();
    }
    /* Each of the last two dozen that are on their way may hold a span. */
    require(live_nbytes() <= before + 30 * SLICE_SIZE, "%zu bytes are held when all is free\n", live_nbytes() - before);
    heap_drain(heap_own(), false);
    require(live_nbytes() <= before + 2 * SLICE_SIZE, "%zu bytes are held when all is drained\n", live_nbytes() - before);
    sound();
}

/* As of servers with buffers of all sizes. */
static void medium_blocks_replaced_at_random_hold_half_more_than_is_in_use_at_most(void)
{
    enum { NLIVE = 2000, NROUNDS = 100 };
    uint64_t random = 1;
    size_t used = 0;
    for (int i = 0; i < NLIVE * NROUNDS; i++) {
        void **block = &blocks[random_below(&random, NLIVE)];
        alloc_free(*block);
        *block = alloc_malloc(1024 + random_below(&random, 19 << 10));
    }
    for (int i = 0; i < NLIVE; i++) used += alloc_size_of(blocks[i]);
    require(live_nbytes() <= used / 2 * 3, "%zu bytes for %zu in use\n", live_nbytes(), used);
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
        require(live_nbytes() <= before + 4 * span, "blocks of %zu: %zu bytes stay, %zu before\n", SIZES[i], live_nbytes(), before);
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

static void memory_freed_by_others_is_used_again(void)
{
    for (int i = 0; i < NSIZES; i++) {
        size_t n = many(SIZES[i]);
        fill(n, SIZES[i]);
        size_t most = live_nbytes();
        for (int round = 0; round < 10; round++) {
            in_thread(free_some, &(struct range_of_blocks){n, 2, 0});
            for (size_t k = 0; k < n; k += 2) blocks[k] = alloc_malloc(SIZES[i]);
            require(live_nbytes() <= most + most / 4 + 8 * SLICE_SIZE, "blocks of %zu, round %d: %zu bytes, from %zu\n", SIZES[i], round, live_nbytes(), most);
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
    require(live_nbytes() - before <= 4 * SLICE_SIZE, "%zu bytes of spans for %d idle threads\n", live_nbytes() - before, NTHREADS);
    pthread_barrier_wait(&meeting);
    for (int i = 0; i < NTHREADS; i++) pthread_join(threads[i], NULL);
    sound();
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

/* As the padding of a structure does that was copied from where a free block had been: all of a link, or all but the tag over its end. */
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
                require(live && memcmp(live, before, 8) == 0, "a live block of %zu bytes that holds a link is not resized\n", size);
                memcpy(live, before, 8);
                alloc_free(live);
            }
        }
        sound();
    }
    options.mode = MODE_FAST;
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
          PROMISE(medium_blocks_are_taken_as_they_were_freed_last), PROMISE(list_of_medium_blocks_is_as_long_as_it_is_used),
          PROMISE(pairs_of_medium_blocks_look_at_what_is_dirty), PROMISE(medium_span_of_which_owner_and_others_free_goes_back), PROMISE(blocks_of_attached_spans_are_taken_as_they_were_freed_last),
          PROMISE(attached_spans_take_in_what_others_free), PROMISE(attached_spans_of_which_a_little_is_freed_in_turn_go_back),
          PROMISE(blocks_that_nobody_wants_go_back_to_attached_spans),
          PROMISE(medium_blocks_replaced_at_random_hold_half_more_than_is_in_use_at_most),
          PROMISE(spans_go_back_when_other_threads_free), PROMISE(spans_of_a_sleeping_owner_go_back),
          PROMISE(memory_freed_by_others_is_used_again), PROMISE(interleaved_frees_by_owner_and_others_agree), PROMISE(blocks_outlive_their_thread),
          PROMISE(heaps_are_recycled), PROMISE(idle_threads_share_spans),
          PROMISE(destructors_that_run_last_may_allocate),
          PROMISE(live_block_that_holds_a_link_is_not_taken_for_free), PROMISE(fork_among_threads_leaves_a_sound_heap))
