/*
 * A process forked while two other threads are in the middle of things, wherever each of them is, can free what they had and
 * allocate, and its heap keeps every law.
 *
 * What can go wrong (api/life.h): the child has what is in memory at that instant and nothing else. A lock is held by nobody who
 * is there, a heap is half-changed, a span is neither free nor anybody's; and two half-done changes must be repaired together.
 * What vanished threads were allocating from, or were moving, may be lost; what was held may not.
 *
 * Every store of the two, or its way out of its thread's buffer, is a step here, and at every state HOME forks (in the model:
 * life.state is what the kernel would wipe it to, and only HOME goes on): a child has of each thread's stores all up to some
 * point.
 * By default it is a twentieth of the states, and stores do not wait; at full size all, and then once more with buffers, a
 * fiftieth.
 */
#include "api/life.h"
#include "heap/again.h"
#include "scenes.h"

enum { SMALL = 960, LARGE = 100000 };

static void live(void)
{
    void *fresh[] = {take(SIZE), take(SMALL), take(16), take(LARGE), take(SIZE), take(4096)};
    for (unsigned i = 0; i < sizeof fresh / sizeof *fresh; i++) drop(fresh[i]);
}

/* Nobody else is there to come back to it. */
static void nothing_is_being_purged(void)
{
    for (size_t i = 0; i < range_limit(); i++)
        if (span_state(range.records + i) == SPAN_PURGING) broken("span %zu is being purged for ever", i);
}

static void child(void)
{
    life_check();
    nothing_is_being_purged();
    sound();
    drop_all();
    live();
    drain();
    sound();
    if (ntold()) broken("%u double frees are told, and there was none", ntold());
}

static void check(void)
{
    sound();
    drop_all();
    sound();
}

static void set_up_heaps(void)
{
    have_a_heap();
    as(0, have_a_heap);
    as(1, have_a_heap);
    as(2, have_a_heap);
}

static void set_up_exhausted(void)
{
    set_up_heaps();
    as(0, own_a_span);
}

static void drop_2_to_8(void) { drop_held(2, CAPACITY); }
static void drop_11_to_17(void) { drop_held(CAPACITY + 2, 2 * CAPACITY); }

/* 0 and 1 have a full span each, of which all but two blocks are free, for their owner to see at the next free. */
static void hold_others(void) { grow_up(SIZE), hold(CAPACITY, CAPACITY); }
static void let_go(void) { drop(take(SIZE)); }
static void set_up_two_nearly_empty(void)
{
    set_up_exhausted();
    as(1, hold_others);
    as(0, let_go);
    as(1, let_go);
    as(0, drop_2_to_8);
    as(1, drop_11_to_17);
}

/* All but two of a full span have been freed by others. */
static void set_up_nearly_ripe(void)
{
    set_up_exhausted();
    as(0, let_go);
    as(2, drop_2_to_8);
}

static void set_up_two_exhausted(void)
{
    set_up_exhausted();
    as(1, hold_others);
}

static void set_up_dirty(void)
{
    set_up_exhausted();
    void *dirty = take(3 * LARGE);
    held[CAPACITY] = take(LARGE); /* between that and what is clean */
    drop(dirty);
}

/* Threads past their exit: of them nothing tells the child but locks, and npurging. */
static void set_up_dirty_without_heaps(void)
{
    drop(take(SMALL)); /* HOME has a span of it, for nothing clean may be left to a child */
    set_up_dirty();
    as(0, leave);
    as(1, leave);
    as(2, leave);
}

/* 0 has a full span, one with two free blocks, and a current one; 2 has a heap that allocates from its own spans. */
static void grow_up_medium(void) { grow_up(SIZE); }
static void drop_9_and_10(void) { drop_9(), drop(held[CAPACITY + 1]); }
static void set_up_owner(void)
{
    have_a_heap();
    as(0, own_three_spans);
    as(0, drop_9_and_10);
    as(1, have_a_heap);
    as(2, grow_up_medium);
}

/* 0 has grown up beside a span of the shared heap's, in which there is room. */
static void set_up_shared(void)
{
    set_up_heaps();
    as(0, hold_two_and_grow_up);
}

static void drop_0_and_1(void) { drop_0(), drop_1(); }
static void take_and_drop_large(void) { drop(take(LARGE)); }

/* A large block of 0's and of 1's. The other frees it, who has not taken any of late: it is kept where any thread may look. */
static void hold_large_9(void) { held[CAPACITY] = take(LARGE), again_look(heap_own()); }
static void hold_large_10(void) { held[CAPACITY + 1] = take(LARGE), again_look(heap_own()); }
static void drop_10(void) { drop(held[CAPACITY + 1]); }
static void set_up_kept(void)
{
    set_up_exhausted();
    as(0, hold_large_9);
    as(1, hold_large_10);
}

static void take_and_drop_small(void) { drop(take(SMALL)); }
static void own_small(void) { grow_up(SMALL), alloc_free(alloc_malloc(SMALL)); }
static void set_up_small(void)
{
    set_up_heaps();
    as(0, own_small);
    as(1, own_small);
}

static void take_and_drop_two_small(void)
{
    void *one = take(SMALL), *two = take(SMALL);
    drop(one);
    drop(two);
}

static void purge(void) { purge_down_to(0); }

static const struct scene SCENES[] = {
    {SCENE(in_the_middle_of_two_refills), .set_up = set_up_two_exhausted, .run = {take_and_drop, take_and_drop}, .check = check,
     .child = child},
    {SCENE(in_the_middle_of_two_releases), .set_up = set_up_two_nearly_empty, .run = {drop_0_and_1, drop_9_and_10},
     .check = check, .child = child},
    {SCENE(in_the_middle_of_a_free_and_a_refill), .set_up = set_up_exhausted, .run = {take_and_drop, drop_0}, .check = check,
     .child = child},
    {SCENE(in_the_middle_of_the_last_frees_of_a_span), .set_up = set_up_nearly_ripe, .run = {NULL, drop_0, drop_1},
     .check = check, .child = child},
    {SCENE(in_the_middle_of_an_exit_and_an_adoption), .set_up = set_up_owner, .run = {leave, NULL, take_and_drop}, .check = check,
     .child = child},
    {SCENE(in_the_middle_of_an_exit_and_a_free), .set_up = set_up_owner, .run = {leave, drop_0}, .check = check, .child = child},
    {SCENE(in_the_middle_of_young_refills), .set_up = set_up_heaps, .run = {take_and_drop, take_and_drop_small}, .check = check,
     .child = child},
    {SCENE(in_the_middle_of_a_claim), .set_up = set_up_shared, .run = {take_and_drop, take_and_drop}, .check = check,
     .child = child},
    {SCENE(in_the_middle_of_small_blocks), .set_up = set_up_small, .run = {take_and_drop_two_small, take_and_drop_small},
     .check = check, .child = child},
    {SCENE(in_the_middle_of_large_blocks), .set_up = set_up_exhausted, .run = {take_and_drop_large, take_and_drop_large},
     .check = check, .child = child},
    {SCENE(in_the_middle_of_what_is_kept), .set_up = set_up_kept, .run = {drop_10, drop_9}, .check = check, .child = child},
    {SCENE(in_the_middle_of_a_purge_and_a_large_block), .set_up = set_up_dirty, .run = {take_and_drop_large, purge},
     .check = check, .child = child},
    {SCENE(in_the_middle_of_what_needs_no_heap), .set_up = set_up_dirty_without_heaps, .run = {take_and_drop_large, purge},
     .check = check, .child = child},
    {.promise = NULL},
};

int main(int argc, char **argv) { return model_main(SCENES, argc, argv); }
