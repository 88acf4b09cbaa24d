/* walk.c: what mspace_walk, mspace_verify and the sums see (src/watch). */
#include "api/alloc.h"
#include "api/life.h"
#include "heap/heap.h"
#include "os/options.h"
#include "unit.h"
#include "watch/watch.h"

#include <pthread.h>

static const size_t SIZES[] = {0, 1, 16, 48, 100, 1040, 1041, 4096, 30000, 40000, 100000, 262144, 300000, 1 << 20, 5 << 20};
enum { NSIZES = sizeof SIZES / sizeof *SIZES, EACH = 40, N = NSIZES * EACH };

static char *blocks[N];

static void fill(void)
{
    for (int i = 0; i < N; i++) blocks[i] = alloc_malloc(SIZES[i % NSIZES]);
}

/* --- the order --- */

struct view {
    char *span, *span_end, *block_end; /* the last of each, NULL before the first block of a span */
    size_t nspans, nlive, live, nunknown, nforeign;
};

static int look(const struct mspace_item *item, void *argument)
{
    struct view *view = argument;
    char *address = item->address;
    if (item->kind == MSPACE_SPAN) {
        require(address == view->span_end, "spans tile the range: one at %p, where %p is expected\n", (void *)address,
                (void *)view->span_end);
        view->span_end = address + item->size;
        view->span = address;
        view->block_end = NULL;
        view->nspans++;
        view->nforeign += item->state == MSPACE_FOREIGN;
        return 0;
    }
    if (view->block_end) require(address == view->block_end, "blocks follow each other inside their span\n");
    else
        require(address == view->span || (item->size > SMALL_MAX && address < view->span + item->size),
                "the first block lies far inside its span\n");
    view->block_end = address + item->size;
    require(view->block_end <= view->span_end, "a block ends outside its span\n");
    view->nunknown += item->state == MSPACE_UNKNOWN;
    if (item->state == MSPACE_LIVE) view->nlive++, view->live += item->size;
    return 0;
}

static struct view walk_all(void)
{
    life_check(); /* the range has no address before the first call */
    struct view view = {.span_end = (char *)range.base};
    require(mspace_walk(look, &view) == 0, "the walk\n");
    require(view.span_end == (char *)range.base + (range_limit() << SLICE_SHIFT), "the walk ends before the range does\n");
    struct watch_totals totals; /* counted in another way: what is in the records is what the blocks say */
    watch_count(&totals);
    require(view.nunknown || (totals.live == view.live && totals.nlive == view.nlive),
            "%zu blocks of %zu bytes in sum, %zu of %zu one by one\n", totals.nlive, totals.live, view.nlive, view.live);
    return view;
}

static void walk_goes_in_address_order(void)
{
    fill();
    for (int i = 0; i < N; i += 3) alloc_free(blocks[i]);
    struct view view = walk_all();
    require(view.nspans > 20 && view.nunknown == 0 && view.nforeign == 0, "%zu spans, %zu unknown blocks\n", view.nspans,
            view.nunknown);
}

static void walk_counts_what_is_live(void)
{
    struct view before = walk_all();
    fill();
    size_t usable = 0, nlive = N;
    for (int i = 0; i < N; i++) usable += alloc_usable_size(blocks[i]);
    struct view full = walk_all();
    require(full.nlive - before.nlive == nlive && full.live - before.live == usable, "%zu blocks, %zu bytes\n", full.nlive,
            full.live);
    for (int i = 0; i < N; i += 2) {
        usable -= alloc_usable_size(blocks[i]);
        nlive--;
        alloc_free(blocks[i]);
        if (i % 10 == 0) {
            struct view now = walk_all();
            require(now.nlive - before.nlive == nlive && now.live - before.live == usable,
                    "after %d frees: %zu blocks, %zu bytes\n", i / 2, now.nlive, now.live);
        }
    }
    for (int i = 1; i < N; i += 2) alloc_free(blocks[i]);
    struct view after = walk_all();
    require(after.nlive == before.nlive && after.live == before.live, "%zu blocks are left\n", after.nlive);
}

/* --- one block --- */

struct search {
    const char *block;
    enum mspace_state state;
    size_t size;
};

static int find(const struct mspace_item *item, void *argument)
{
    struct search *search = argument;
    if (item->kind != MSPACE_BLOCK || item->address != search->block) return 0;
    search->state = item->state;
    search->size = item->size;
    return 7;
}

static void expect(const char *block, enum mspace_state state)
{
    struct search search = {.block = block};
    require(mspace_walk(find, &search) == 7, "%p is not met\n", (const void *)block);
    require(search.state == state, "%p: state %d, not %d\n", (const void *)block, (int)search.state, (int)state);
    if (state == MSPACE_LIVE)
        require(search.size == alloc_usable_size(block), "%p: %zu bytes\n", (const void *)block, search.size);
}

static void walk_sees_each_block_as_it_is(void)
{
    fill();
    for (int i = 0; i < NSIZES; i++) {
        expect(blocks[i], MSPACE_LIVE);
        alloc_free(blocks[i]);
        if (SIZES[i] <= MEDIUM_MAX) expect(blocks[i], MSPACE_FREE);
    }
    expect(blocks[NSIZES], MSPACE_LIVE);
}

static void *free_remotely(void *unused)
{
    for (int i = 0; i < N; i += 2) alloc_free(blocks[i]);
    return unused;
}

static void walk_sees_what_other_threads_free(void)
{
    pthread_t other;
    fill();
    size_t nlive = walk_all().nlive;
    pthread_create(&other, NULL, free_remotely, NULL);
    pthread_join(other, NULL);
    struct view view = walk_all();
    require(view.nunknown == 0 && view.nlive == nlive - N / 2, "%zu blocks are live, not %zu\n", view.nlive, nlive - N / 2);
    require(mspace_verify() == 0, "the heap is broken\n");
}

/* --- the visitor --- */

static int count_down(const struct mspace_item *item, void *argument)
{
    (void)item;
    return --*(int *)argument ? 0 : 42;
}

static void visitor_ends_the_walk(void)
{
    fill();
    int n = 10;
    require(mspace_walk(count_down, &n) == 42 && n == 0, "at the tenth item\n");
    walk_all();
}

static int walk_again(const struct mspace_item *item, void *argument)
{
    int n = 1;
    (void)item;
    *(int *)argument = mspace_walk(count_down, &n);
    return 1;
}

static void walk_within_a_walk_is_refused(void)
{
    int inner = 0;
    alloc_malloc(1);
    require(mspace_walk(walk_again, &inner) == 1 && inner == -1, "the inner walk returned %d\n", inner);
    walk_all();
}

static int allocate(const struct mspace_item *item, void *argument)
{
    (void)item, (void)argument;
    alloc_free(alloc_malloc(100));
    alloc_free(alloc_malloc(1 << 20));
    return 0;
}

static void visitor_may_allocate(void)
{
    fill();
    require(mspace_walk(allocate, NULL) == 0, "the walk\n");
    require(mspace_verify() == 0, "the heap is broken\n");
}

/* --- sums, and the verifier --- */

static void totals_are_the_sums_of_the_walk(void)
{
    struct watch_totals totals;
    fill();
    for (int i = 0; i < N; i += 2) alloc_free(blocks[i]);
    struct view view = walk_all();
    watch_count(&totals);
    require(totals.live == view.live && totals.nlive == view.nlive, "%zu blocks, %zu bytes\n", totals.nlive, totals.live);
    require(totals.range == totals.used + totals.dirty + totals.clean && totals.live <= totals.used, "the parts of the range\n");
    require(totals.range == range_limit() << SLICE_SHIFT, "the range is %zu bytes\n", totals.range);
}

/* A verifier that never finds anything is none: each of these damages is told. Its lines go nowhere here. */
static void verify_finds_damage(void)
{
    fill();
    for (int i = 0; i < N; i += 2) alloc_free(blocks[i]);
    require(mspace_verify() == 0, "sound at first\n");
    close(STDERR_FILENO);
    struct span *span = span_containing(range_index(blocks[1]));

    size_t *total = &spans.totals.live;
    ++*total;
    require(mspace_verify() == 1, "a wrong total\n");
    --*total;

    uint64_t word = span->word;
    span_set(span, span_state(span), span_nslices(span) + 1);
    require(mspace_verify() != 0, "spans that overlap\n");
    span->word = word;

    char *freed = blocks[2 * NSIZES + 3];   /* 48 bytes, on a free list */
    alloc_free(freed);
    uintptr_t before = *(uintptr_t *)(void *)freed;
    *(uintptr_t *)(void *)freed = 0x4141;
    require(mspace_verify() != 0, "an overwritten free block\n");
    *(uintptr_t *)(void *)freed = before;
    require(mspace_verify() == 0, "sound at the end\n");
}

/* A span that the limit did not allow to be carved whole is sound. */
static void verify_knows_of_the_limit(void)
{
    enum { MANY = 150000 };
    static char *many[MANY];
    static const size_t sizes[] = {16, 100, 900, 3000, 20000, 32768};
    options.limit = (struct option_limit){2 << 20, 2 << 20};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        int n = 0;
        while (n < MANY && (many[n] = alloc_malloc(sizes[s]))) n++;
        require(n < MANY && mspace_verify() == 0, "%d blocks of %zu bytes\n", n, sizes[s]);
        for (int third = 0; third < 3; third++) {
            for (int i = third; i < n; i += 3) alloc_free(many[i]);
            require(mspace_verify() == 0, "blocks of %zu bytes, %d thirds freed\n", sizes[s], third + 1);
        }
    }
}

UNIT_MAIN(PROMISE(walk_goes_in_address_order), PROMISE(walk_counts_what_is_live), PROMISE(walk_sees_each_block_as_it_is),
          PROMISE(walk_sees_what_other_threads_free), PROMISE(visitor_ends_the_walk), PROMISE(walk_within_a_walk_is_refused),
          PROMISE(visitor_may_allocate), PROMISE(totals_are_the_sums_of_the_walk), PROMISE(verify_finds_damage),
          PROMISE(verify_knows_of_the_limit))
