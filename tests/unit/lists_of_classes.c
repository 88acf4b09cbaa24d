/* lists_of_classes.c: laws of the lists on which freed blocks wait, medium ones and those of attached spans (src/heap/listed.c). */
#include "blocks.h"
#include "heap/remote.h"

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

static size_t carved_nbytes(unsigned class)
{
    size_t nbytes = 0;
    for (size_t i = 0; i < range_limit(); i += span_nslices(range.records + i)) {
        const struct desc *desc = range.table + i;
        if (desc->owner == heap_owner(heap_own(), class) && desc->class == class) nbytes += (size_t)desc->carved * desc->size;
    }
    return nbytes;
}

/* First in, first out, of a few more than a span holds: what goes is of the first span, and the second is not carved to its end for that. */
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

UNIT_MAIN(PROMISE(medium_blocks_are_taken_as_they_were_freed_last), PROMISE(list_of_medium_blocks_is_as_long_as_it_is_used),
          PROMISE(pairs_of_medium_blocks_look_at_what_is_dirty), PROMISE(medium_span_of_which_owner_and_others_free_goes_back),
          PROMISE(blocks_of_attached_spans_are_taken_as_they_were_freed_last), PROMISE(attached_spans_take_in_what_others_free),
          PROMISE(attached_spans_of_which_a_little_is_freed_in_turn_go_back), PROMISE(blocks_that_nobody_wants_go_back_to_attached_spans),
          PROMISE(no_more_memory_becomes_blocks_than_is_in_use),
          PROMISE(medium_blocks_replaced_at_random_hold_half_more_than_is_in_use_at_most))
