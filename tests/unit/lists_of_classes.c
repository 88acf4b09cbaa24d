/* lists_of_classes.c: laws of the lists on which freed blocks wait, medium ones and those of attached spans
 * (src/heap/listed.c). */
#include "blocks.h"
#include "heap/event.h"
#include "os/options.h"

#include <limits.h>
#include <sys/resource.h>

static size_t length_of(const struct pair *list)
{
    size_t n = 0;
    for (const struct block *block = list->head; block; block = block_next(block)) n++;
    return n;
}

/* Of whichever spans, which stay full; and are as free as any others. */
static void medium_blocks_are_taken_as_they_were_freed_last(void)
{
    enum { SIZE = 4096, NLISTED = LIST_FEW };
    size_t capacity = class_table[class_of(SIZE)].capacity, nlive;
    fill((NLISTED + 1) * capacity, SIZE);
    nlive = nlive_now();
    for (size_t k = 0; k < NLISTED; k++) {
        void *block = blocks[k * capacity];
        alloc_free(block), sound();
        require(nlive_now() == nlive - k - 1 && alloc_is_free(range.table + range_index(block), block), "block %zu is not free\n",
                k);
    }
    for (size_t k = NLISTED; k--;) {
        require(state_at(start_of(blocks[k * capacity])) == SPAN_FULL, "span %zu has left what it was\n", k);
        require(alloc_malloc(SIZE) == blocks[k * capacity], "span %zu: not what was freed last\n", k);
    }
    require(nlive_now() == nlive, "%zu blocks are live, of %zu\n", nlive_now(), nlive);
}

static void free_all(size_t n)
{
    for (size_t i = 0; i < n; i++) alloc_free(blocks[i]);
}

static struct pair *list_of(size_t size)
{
    alloc_free(alloc_malloc(size));
    return &heap_own()->pairs[class_of(size)];
}

/* What is freed in bulk nobody has asked for: few wait. Of what comes and goes more, up to ROOM; it goes home after two looks,
 * and nothing comes in its place until somebody asks. */
static void list_of_medium_blocks_is_as_long_as_it_is_used(void)
{
    enum { SIZE = 4096, NLOOKS = 2 * 4, NSPANS = 8 };
    const struct pair *list = list_of(SIZE);
    size_t n = NSPANS * class_table[class_of(SIZE)].capacity, most = ROOM / class_table[class_of(SIZE)].size,
           before = spans.totals.live;
    fill(n, SIZE);
    free_all(n);
    require(length_of(list) <= LIST_FEW, "%zu blocks wait\n", length_of(list));
    large_give_kept(heap_own());
    require(spans.totals.live <= before + 3, "%zu slices stay, of %zu\n", spans.totals.live - before, n);
    for (size_t k = 1; k <= most; k++) {
        fill(k, SIZE);
        free_all(k);
        require(length_of(list) == k, "%zu blocks wait, of %zu\n", length_of(list), k);
        sound();
    }
    for (int i = 0; i < NLOOKS; i++) heap_own()->nslow += PATROL_ROADS, heap_patrol(heap_own());
    require(!list->head, "what nobody wants stays\n");
    fill(most, SIZE);
    free_all(most);
    require(length_of(list) <= LIST_FEW, "%zu blocks wait, that nobody has asked for\n", length_of(list));
    alloc_free(blocks[0] = alloc_malloc(SIZE)), sound();
}

/* Then all that is freed waits, and no free takes a slow road but for a look at what is dirty; as long as it is no more than
 * ROOM_WIDE. */
static void what_is_filled_and_dropped_over_and_over_waits_to_its_last_block(void)
{
    static const size_t SIZES[] = {1500, 4096, 9000, 20000, 32768};
    enum { NLEARN = 6 };
    for (unsigned i = 0; i < sizeof SIZES / sizeof *SIZES; i++) {
        for (int k = 0; k < 8; k++) class_count(class_of(SIZES[i]), 1); /* so it has a class of its own */
        const struct pair *list = list_of(SIZES[i]);
        size_t n = ROOM_WIDE / class_table[class_of(SIZES[i])].size;
        uint32_t nslow = 0;
        for (int round = 0; round <= NLEARN; round++) {
            fill(n, SIZES[i]);
            nslow = heap_own()->nslow;
            free_all(n);
        }
        require(length_of(list) == n, "%zu bytes: %zu blocks wait, of %zu\n", SIZES[i], length_of(list), n);
        nslow = heap_own()->nslow - nslow;
        require(nslow <= 2 * PATROL_ROADS * (n / PATROL_EVERY + 1), "%zu bytes: %u slow roads for %zu blocks\n", SIZES[i], nslow,
                n);
        fill(n, SIZES[i]);
        require(!list->head && nlive_now() >= n, "%zu bytes: what waits is not taken\n", SIZES[i]);
        free_all(n);
        sound();
        heap_drain(heap_own(), true);
        require(!list->head, "%zu bytes: what waits cannot be drained\n", SIZES[i]);
    }
}

/* Of more than ROOM_WIDE few blocks wait, each time, whatever is used in between: what would go home for nothing does not even
 * begin to wait, but now and then. */
static void what_is_more_than_lists_are_for_does_not_wait(void)
{
    enum { SIZE = 4096, NROUNDS = 3 * NARROW };
    const struct pair *list = list_of(SIZE);
    size_t n = 2 * ROOM_WIDE / class_table[class_of(SIZE)].size, before = spans.totals.live;
    int nwide = 0;
    for (int round = 0; round < NROUNDS; round++) {
        bool was_wide = false;
        for (size_t k = 1; k < ROOM / class_table[class_of(SIZE)].size; k++) fill(k, SIZE), free_all(k);
        fill(n, SIZE);
        for (size_t i = 0; i < n; i++) alloc_free(blocks[i]), was_wide |= list->room >= ROOM;
        nwide += was_wide;
        require(length_of(list) <= LIST_FEW, "%zu blocks wait after %d rounds\n", length_of(list), round);
        large_give_kept(heap_own());
        require(spans.totals.live <= before + 4, "%zu slices stay\n", spans.totals.live - before);
    }
    require(nwide >= 2 && nwide <= 1 + NROUNDS / NARROW, "the list was wide in %d rounds of %d\n", nwide, NROUNDS);
    sound();
}

enum { NTURNS = 12, OF_EACH = ROOM_WIDE / 4 };
static size_t size_in_turn(unsigned k) { return 1500 + 2500 * (size_t)k; }

/* Rounds of all the classes [from, to), so much of each; returns the most that their lists might hold beyond ROOM after
 * one. */
static size_t widths_after(unsigned from, unsigned to)
{
    size_t most = 0;
    for (int round = 0; round < 8; round++) {
        size_t n = 0, nbytes = 0;
        for (unsigned k = from; k < to; k++)
            for (size_t left = OF_EACH / class_table[class_of(size_in_turn(k))].size; left; left--)
                blocks[n++] = alloc_malloc(size_in_turn(k));
        free_all(n);
        for (unsigned k = from; k < to; k++) {
            int32_t room = heap_own()->pairs[class_of(size_in_turn(k))].room;
            nbytes += room > ROOM ? (size_t)(room - ROOM) : 0;
            require(room <= OF_EACH, "a list has room for %d bytes\n", room);
        }
        most = max_size(most, nbytes);
    }
    return most;
}

static void forget(void)
{
    heap_drain(heap_own(), true);
    for (unsigned class = NSMALL; class < NCLASSES; class ++) heap_own()->pairs[class].room = 0;
}

static void all_wide_lists_hold_no_more_than_the_heaps_share_of_what_may_be_dirty(void)
{
    alloc_free(alloc_malloc(1));
    for (size_t share = 0; share <= 2 * ROOM_WIDE >> SLICE_SHIFT; share += 1 + share / 4) {
        size_t most = min_size(ROOM_WIDE, 2 * (share << SLICE_SHIFT)), nbytes;
        heap_share = share;
        nbytes = widths_after(0, NTURNS);
        require(nbytes <= most && (most < 2 * OF_EACH || nbytes >= OF_EACH - ROOM),
                "a share of %zu slices: %zu bytes, at most %zu\n", share, nbytes, most);
        forget();
    }
    sound();
}

static void no_list_is_wide_under_a_limit(void)
{
    options.limit.hard = options.limit.soft = (size_t)64 << 30; /* before anything has been allocated */
    require(widths_after(0, NTURNS) == 0, "under a limit lists are wide\n");
    sound();
}

/* What looks as if it were on a wide list costs a walk along it once; and is freed. */
static void wide_list_that_is_in_the_way_goes_home(void)
{
    enum { SIZE = 4096, NLEARN = 6 };
    const struct pair *list = list_of(SIZE);
    size_t n = ROOM_WIDE / class_table[class_of(SIZE)].size / 2 - LIST_FEW, before;
    struct block *stale;
    for (int round = 0; round < NLEARN; round++) fill(n, SIZE), free_all(n);
    fill(n + 1, SIZE);
    before = nlive_now();
    free_all(n);
    require(list->room > ROOM && length_of(list) == n, "%zu blocks wait, of %zu\n", length_of(list), n);
    stale = blocks[n];
    block_link(stale, blocks[0]);
    alloc_free(stale);
    require(!list->head && nlive_now() == before - n - 1, "%zu blocks wait, %zu are live\n", length_of(list), nlive_now());
    sound();
}

/* Or what another thread frees as well would be handed out twice: also of blocks whose next lies so far away that they do not
 * look as if they were free. */
static void listed_blocks_are_found_however_far_the_next_is(void)
{
    enum { SIZE = 9000, N = 200 };
    void *last, *far, *big, *first, *in_use;
    fill(N, SIZE);
    last = blocks[N / 2], in_use = blocks[N / 2 + 1];
    require((big = alloc_malloc((size_t)5 << 30)) != NULL, "no address space\n");
    do require((far = alloc_malloc(SIZE)) != NULL, "out of memory\n");
    while ((char *)far - (char *)last < (ptrdiff_t)4 << 30);
    fill(N, SIZE);
    first = blocks[N / 2];
    alloc_free(last), alloc_free(far), alloc_free(first);
    void *const each[] = {last, far, first, in_use};
    for (int i = 0; i < 4; i++) {
        struct span *span = span_of_start(start_of(each[i]));
        uint64_t bit = (uint64_t)1 << desc_index(span_desc(span), each[i]), listed = listed_bits(span, bit);
        require(listed == (i < 3 ? bit : 0), "block %d is said to be %s\n", i, listed ? "listed" : "in use");
    }
    alloc_free(big), sound();
}

/* What is used no more leaves its share to what is. */
static void wide_lists_that_are_empty_leave_their_room_to_others(void)
{
    alloc_free(alloc_malloc(1));
    heap_share = ROOM_WIDE >> SLICE_SHIFT;
    size_t nfirst = widths_after(0, NTURNS / 2);
    heap_drain(heap_own(), true);
    size_t nthen = widths_after(NTURNS / 2, NTURNS);
    require(nfirst >= ROOM_WIDE / 2 && nthen >= ROOM_WIDE / 2, "%zu bytes, then %zu, of %u\n", nfirst, nthen,
            (unsigned)ROOM_WIDE);
    sound();
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

/* Of small blocks of 960 bytes: a span of 68, full but for the four whose frees make it available, is soon full again, and
 * attached. */
enum { LISTED_SIZE = 960 };
static bool is_attached_at(uintptr_t start)
{
    const struct pair *pair = span_desc(span_of_start(start))->pair;
    return state_at(start) == SPAN_FULL && pair == &heap_own()->pairs[class_of(LISTED_SIZE)];
}

static bool is_used_up(const struct heap *heap, unsigned class)
{
    const struct span *span = heap->current[class];
    return heap->nfirst[class] >= heap_nyoung(class) + BORROWED && span && !heap->pairs[class].head &&
           span_desc(span)->carved == span->capacity;
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
    for (size_t k = 0; k < nspans; k++)
        require(is_attached_at(start_of(blocks[k * capacity])), "span %zu is not full and attached\n", k);
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
    for (size_t k = NATTACHED; k--;)
        require(alloc_malloc(LISTED_SIZE) == blocks[k * capacity], "span %zu: not what was freed last\n", k);
    for (size_t k = 0; k < NATTACHED; k++) require(is_attached_at(start_of(blocks[k * capacity])), "span %zu has moved\n", k);
    sound();
}

/* What others free of one makes it available, and what is on the list of it is taken all the same; what others free to the last
 * gives it back. */
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
    heap_collect_woken(heap_own(), UINT_MAX);
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

static size_t carved_nbytes(unsigned class)
{
    size_t nbytes = 0;
    for (size_t i = 0; i < range_limit(); i += span_nslices(range.records + i)) {
        const struct desc *desc = range.table + i;
        if (desc->owner == heap_owner(heap_own(), class) && desc->class == class) nbytes += (size_t)desc->carved * desc->size;
    }
    return nbytes;
}

/* First in, first out, of a few more than a span holds: what goes is of the first span, and the second is not carved to its end
 * for that. */
static void no_more_memory_becomes_blocks_than_is_in_use(void)
{
    enum { SIZE = 144, NROUNDS = 20 };
    unsigned class = class_of(SIZE);
    size_t n = class_table[class].capacity * 9 / 8;
    fill(n, SIZE);
    for (size_t i = 0; i < NROUNDS * n; i++) alloc_free(blocks[i % n]), blocks[i % n] = alloc_malloc(SIZE);
    require(carved_nbytes(class) <= n * SIZE / 8 * 9, "%zu bytes are blocks, for %zu in use\n", carved_nbytes(class), n * SIZE);
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

static size_t count_page_faults(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (size_t)usage.ru_minflt;
}

/* Not one to read it, and then another to write it, for which all processors that run a thread of the program are interrupted. */
static void a_block_that_was_never_written_is_one_page_fault_to_free(void)
{
    enum { OF_A_CLASS = 3 /* as many as a list takes at first */ };
    void *unwritten[NCLASSES * OF_A_CLASS];
    size_t n = 0;
    options.huge = (size_t)1 << 40;
    for (unsigned class = NSMALL; class < NCLASSES; class ++)
        for (size_t i = 0, size = class_table[class].size; i < OF_A_CLASS && size > 2 * PAGE && class_of(size) == class; i++)
            unwritten[n++] = alloc_malloc(size);
    size_t before = count_page_faults();
    for (size_t i = 0; i < n; i++) alloc_free(unwritten[i]);
    size_t nfaults = count_page_faults() - before;
    require(nfaults >= n / 2 && nfaults <= n + n / 4, "%zu page faults to free %zu blocks\n", nfaults, n);
}

UNIT_MAIN(PROMISE(a_block_that_was_never_written_is_one_page_fault_to_free),
          PROMISE(medium_blocks_are_taken_as_they_were_freed_last), PROMISE(list_of_medium_blocks_is_as_long_as_it_is_used),
          PROMISE(what_is_filled_and_dropped_over_and_over_waits_to_its_last_block),
          PROMISE(what_is_more_than_lists_are_for_does_not_wait),
          PROMISE(all_wide_lists_hold_no_more_than_the_heaps_share_of_what_may_be_dirty), PROMISE(no_list_is_wide_under_a_limit),
          PROMISE(wide_lists_that_are_empty_leave_their_room_to_others), PROMISE(wide_list_that_is_in_the_way_goes_home),
          PROMISE(listed_blocks_are_found_however_far_the_next_is), PROMISE(pairs_of_medium_blocks_look_at_what_is_dirty),
          PROMISE(medium_span_of_which_owner_and_others_free_goes_back),
          PROMISE(blocks_of_attached_spans_are_taken_as_they_were_freed_last), PROMISE(attached_spans_take_in_what_others_free),
          PROMISE(attached_spans_of_which_a_little_is_freed_in_turn_go_back),
          PROMISE(blocks_that_nobody_wants_go_back_to_attached_spans), PROMISE(no_more_memory_becomes_blocks_than_is_in_use),
          PROMISE(medium_blocks_replaced_at_random_hold_half_more_than_is_in_use_at_most))
