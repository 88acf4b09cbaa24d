/* reuse.c: laws of threads that share their objects: what they free of others' blocks they use again (src/heap/listed.c). */
#define PARTNER_NEW alloc_malloc
#define PARTNER_FREE alloc_free
#include "../../include/mspace.h"
#include "blocks.h"
#include "partner.h"

enum { SIZE = 200, PAGES = 6200 /* of a class that serves them at first and later */, NMANY = NMAX / 10 };
static size_t size = SIZE; /* of what is shared */

static struct heap *heap_of(const void *block) { return heap_of_span(span_of_start(range.table[range_index(block)].start)); }

static void *theirs;
static void allocate_one(void)
{
    do theirs = alloc_malloc(size);
    while (heap_of(theirs) != heap_own());
}
static void allocate_many(void) { fill(NMANY, size); }

static void threads_that_share_use_others_blocks_again(void)
{
    partner_shares(size);
    require(heap_own()->reuses, "not after %d blocks each\n", 200 * PARTNER_NBLOCKS);
    partner_does(allocate_one);
    alloc_free(theirs);
    require(alloc_malloc(size) == theirs, "what was freed last is not what is allocated\n");
    sound();
    heap_drain(heap_own(), false); /* as malloc_trim does */
    require(!heap_own()->reuses, "not begun anew\n");
    sound();
}

/* Of 16 blocks that this one frees, one is the partner's. */
static void threads_that_pass_on_a_few_do_not(void)
{
    enum { NOWN = 15 * PARTNER_NBLOCKS };
    partner_size = SIZE;
    for (int round = 0; round < 50; round++) {
        partner_does(partner_allocates);
        fill(NOWN, SIZE);
        free_some(&(struct range_of_blocks){NOWN, 1, 0});
        partner_frees();
        require(!heap_own()->reuses, "in round %d\n", round);
    }
    sound();
}

/* As a pool of workers does: each would keep what the other wants. */
static void threads_that_pass_on_many_in_a_row_do_not(void)
{
    partner_size = SIZE;
    for (int round = 0; round < 200; round++) {
        partner_does(partner_allocates);
        partner_frees();
        require(!heap_own()->reuses, "in round %d\n", round);
        partner_allocates();
        partner_does(partner_frees);
    }
    sound();
}

static size_t length_of(const struct block *block)
{
    size_t n = 0;
    for (; block; block = block_next(block)) n++;
    return n;
}

/* A list's length is looked at when so much has come: one is filled, one waits. */
static void keeps_little(void)
{
    const struct heap *heap = heap_own();
    unsigned class = class_of(SIZE);
    size_t n = length_of(heap->pairs[class].head), most = 3 * REUSED / SIZE;
    if (heap->current[class]) n += length_of(heap->current[class]->pair.head);
    require(heap->sated >> class & 1, "it goes on\n");
    require(n <= most, "%zu blocks are kept, %zu at most\n", n, most);
    sound();
}

static void threads_that_share_pages_use_others_pages_again(void)
{
    size = PAGES;
    threads_that_share_use_others_blocks_again();
}

static void thread_that_only_frees_keeps_little(void)
{
    alloc_malloc(1);
    heap_reuse(heap_own(), true);
    partner_does(allocate_many);
    free_some(&(struct range_of_blocks){NMANY, 1, 0});
    require(!heap_own()->current[class_of(SIZE)], "it has a span of its own\n");
    keeps_little();
}

static void thread_that_hardly_allocates_keeps_little(void)
{
    allocate_many();
    heap_reuse(heap_own(), true);
    partner_does(allocate_many);
    free_some(&(struct range_of_blocks){NMANY, 1, 0});
    keeps_little();
    for (unsigned n = 0; n < 3 * REUSED / SIZE; n++) alloc_malloc(SIZE);
    require(!(heap_own()->sated >> class_of(SIZE) & 1), "of lists that have been empty none is sated\n");
}

static void *share_and_exit(void *of)
{
    for (int i = 0; i < 100; i++) alloc_free(alloc_malloc(size));
    heap_reuse(heap_own(), true);
    return free_some(of);
}

static void what_is_reused_goes_home_when_the_thread_exits(void)
{
    alloc_malloc(1);
    for (size = 16; size <= MEDIUM_MAX; size = size * 2 + 16) {
        size_t n = many(size), before = live_nbytes(), span = class_table[class_of(size)].nslices * SLICE_SIZE;
        fill(n, size);
        in_thread(share_and_exit, &(struct range_of_blocks){n, 1, 0});
        heap_drain(heap_own(), false);
        require(live_nbytes() <= before + 6 * span, "blocks of %zu: %zu bytes stay, %zu before\n", size, live_nbytes(), before);
        sound();
    }
}

static int look(const struct mspace_item *item, void *found)
{
    if (item->kind == MSPACE_BLOCK && item->address == theirs) *(enum mspace_state *)found = item->state;
    return 0;
}

/* Its list is open, and empty. */
static void reuse(void)
{
    for (int i = 0; i < 100; i++) alloc_free(alloc_malloc(size));
    while (heap_own()->pairs[class_of(size)].head) alloc_malloc(size);
    heap_reuse(heap_own(), true);
}

static void is_free_for_all_who_look(void)
{
    enum mspace_state state = MSPACE_UNKNOWN;
    struct watch_totals before, after;
    reuse();
    watch_count(&before);
    partner_does(allocate_many);
    theirs = blocks[1000];
    alloc_free(theirs);
    watch_walk(look, &state);
    watch_count(&after);
    require(state == MSPACE_FREE, "a walk says %d\n", (int)state);
    require(after.nlive == before.nlive + NMANY - 1, "%zu blocks are counted\n", after.nlive - before.nlive);
    require(alloc_size_of(theirs) == 0, "it has a size\n");
    sound();
}

static void reused_block_is_free_for_all_who_look(void) { is_free_for_all_who_look(); }

static void reused_page_is_free_for_all_who_look(void)
{
    size = PAGES;
    is_free_for_all_who_look();
    require(heap_own()->pairs[class_of(size)].head == theirs, "it was not kept\n");
}

static void of_many_pages_of_others_in_a_row_one_is_kept(void)
{
    size_t most = 0;
    size = PAGES;
    reuse();
    partner_does(allocate_many);
    for (int i = 0; i < NMANY; i++) {
        alloc_free(blocks[i]);
        most = max_size(most, length_of(heap_own()->pairs[class_of(size)].head));
    }
    require(most == 1, "%zu are kept\n", most);
    sound();
}

/* A thread that fills and drops pages, and keeps a few: each round gives back spans, so that their class is expected to end, and
 * then wants them again. */
static void what_a_thread_gets_is_counted_while_its_spans_come_and_go(void)
{
    enum { NKEPT = 20, NTURNED = 300, NROUNDS = 100 };
    _Static_assert(NROUNDS * NTURNED < 1 << 16, "more would be looked at, and counted anew");
    static void *held[NKEPT + NTURNED];
    for (int i = 0; i < NKEPT; i++) held[i] = alloc_malloc(PAGES);
    heap_own()->nhad = 0;
    for (int round = 0; round < NROUNDS; round++) {
        for (int i = NKEPT; i < NKEPT + NTURNED; i++) held[i] = alloc_malloc(PAGES);
        for (int i = 0; i < NTURNED; i++) alloc_free(held[i]);
        for (int i = 0; i < NKEPT; i++) held[i] = held[NTURNED + i];
    }
    uint32_t nhad = heap_own()->nhad, most = NROUNDS * NTURNED;
    require(nhad > most / 2, "of %u blocks %u are counted\n", most, nhad);
    for (int i = 0; i < NKEPT; i++) alloc_free(held[i]);
    sound();
}

UNIT_MAIN(PROMISE(of_many_pages_of_others_in_a_row_one_is_kept),
          PROMISE(what_a_thread_gets_is_counted_while_its_spans_come_and_go), PROMISE(threads_that_share_use_others_blocks_again),
          PROMISE(threads_that_share_pages_use_others_pages_again), PROMISE(threads_that_pass_on_a_few_do_not),
          PROMISE(threads_that_pass_on_many_in_a_row_do_not), PROMISE(thread_that_only_frees_keeps_little),
          PROMISE(thread_that_hardly_allocates_keeps_little), PROMISE(what_is_reused_goes_home_when_the_thread_exits),
          PROMISE(reused_block_is_free_for_all_who_look), PROMISE(reused_page_is_free_for_all_who_look))
