/*
 * Blocks freed by threads that do not own them come back once, each of them, whatever the order: nobody has one twice, none is
 * lost when all is drained, and a span of which all is free goes back. A block freed twice by two threads at once is told, once.
 *
 * What can go wrong (heap/remote.h): a pusher sets bits and looks at the span's word, an owner changes the word and takes bits;
 * the span may be let go, woken, given back and begin another life while a pusher is between the two.
 *
 * Thread 0 owns a span of which all blocks are held, 0 to 8; 1 and 2 have heaps.
 */
#include "heap/large.h"
#include "machine.h"
#include "scenes.h"

static void have_heaps(void)
{
    have_a_heap();
    as(0, have_a_heap);
    as(1, have_a_heap);
    as(2, have_a_heap);
}

/* It is current still. */
static void set_up_exhausted(void)
{
    have_heaps();
    as(0, own_a_span);
}

/* It is full, and 9 to 17 are all of the owner's current one. */
static void set_up_full(void)
{
    have_heaps();
    as(0, own_two_spans);
}

/* And so are 9 to 17. */
static void hold_more(void) { hold(2 * CAPACITY, 1); }
static void set_up_two_full(void)
{
    set_up_full();
    as(0, hold_more);
}

static void drop_2_to_8(void) { drop_held(2, CAPACITY); }
static void drop_3_to_8(void) { drop_held(3, CAPACITY); }

/* All but two of its blocks have been freed by others; by the owner. */
static void set_up_nearly_ripe(void)
{
    set_up_full();
    as(1, drop_2_to_8);
}

/* What its owner has freed goes from the list to its span. */
static void go_home(void)
{
    heap_enter(heap_own());
    heap_send_home(heap_own(), class_of(SIZE));
    heap_leave(heap_own());
}

static void set_up_nearly_empty(void)
{
    set_up_full();
    as(0, drop_2_to_8);
    as(0, go_home);
}

static void drop_0_and_go_home(void) { drop_0(), go_home(); }

/* The owner allocates from it, and it has one free block. */
static void drop_2(void) { drop(held[2]); }
static void set_up_current(void)
{
    set_up_exhausted();
    as(0, drop_2);
    as(0, go_home);
}

/* Who takes one will have it of the owner's span, once that is given back. */
static void grow_up_medium(void) { grow_up(SIZE); }
static void set_up_next_life(void)
{
    set_up_full();
    as(1, drop_3_to_8);
    as(2, grow_up_medium);
}

static void drop_rest(void) { drop_held(0, 256); }

/* What is left is freed by its owner; then nothing may be kept. */
static void check(void)
{
    sound();
    all_is_announced();
    as(1, drain);
    as(2, drain);
    as(0, drop_rest);
    as(0, drain);
    sound();
    none_is_kept();
    if (ntold()) broken("%u double frees are told, and there was none", ntold());
}

/* The owner sleeps for ever. */
static void check_gone(void)
{
    sound();
    if (span_state(span_of(held[0])) >= SPAN_CURRENT) broken("a span of which all was freed is still there");
    check();
}

static void drop_1_to_8(void) { drop_held(1, CAPACITY), go_home(); }
static void drop_0_and_1(void) { drop_0(), drop_1(); }
static void drop_1_and_take(void) { drop(held[1]), take_and_drop(); }
static void drop_2_take_and_drop(void) { drop(held[2]), go_home(), take_and_drop(); }
static void drop_two_take_and_drop(void) { drop(held[3]), drop_2_take_and_drop(); }
static void take_two(void)
{
    void *one = take(SIZE), *two = take(SIZE);
    drop(one);
    drop(two);
}

static void drop_two_and_take_them(void) { drop(held[3]), drop(held[2]), take_two(); } /* off the list */

/* --- a count that is too high: the owner takes a block that its pusher has not announced --- */

enum { PAGES = 3840, PAGES_CAPACITY = 17 }; /* blocks that are gathered, and posted together */
static void *given;

static void own_a_span_of_pages(void)
{
    grow_up(PAGES);
    for (unsigned i = 0; i < PAGES_CAPACITY; i++) held[i] = take(PAGES);
}

static void gather_1_to_15(void) { drop_held(1, PAGES_CAPACITY - 1); }
static void set_up_pages(void)
{
    have_heaps();
    as(0, own_a_span_of_pages);
    drop_held(PAGES_CAPACITY - 1, PAGES_CAPACITY);
    drain();
    as(1, drop_0);
    as(2, gather_1_to_15);
}

/* Has the first and the last, gives the last away, and lets the span go. */
static void take_three_and_give(void)
{
    take(PAGES);
    void *block = take(PAGES);
    machine_touch(&given, true);
    given = block;
    take(PAGES);
}

static void drop_given_and_drain(void)
{
    machine_touch(&given, false);
    if (given) drop(given);
    drain();
}

static void check_pages(void)
{
    sound();
    all_is_announced();
}

/* --- small blocks: gathered, and posted together --- */

enum { SMALL = 960, SMALL_CAPACITY = 68 };

static void own_a_full_small_span(void)
{
    grow_up(SMALL);
    for (unsigned i = 0; i < SMALL_CAPACITY; i++) held[i] = take(SMALL);
}

static void gather_5(void) { drop_held(0, 5); }
static void gather_all(void) { drop_held(0, SMALL_CAPACITY - 2); }

static void set_up_small(void)
{
    have_heaps();
    as(0, own_a_full_small_span);
    as(1, gather_5);
}

static void set_up_small_ripe(void)
{
    have_heaps();
    as(0, own_a_full_small_span);
    as(1, gather_all);
}

/* The last word of bits is announced, the first about to be. */
static void drop_last(void) { drop_held(SMALL_CAPACITY - 1, SMALL_CAPACITY); }
static void set_up_two_words(void)
{
    have_heaps();
    as(0, own_a_full_small_span);
    as(2, drop_last);
    as(2, drain);
    as(1, gather_5);
}

static void take_and_drop_small(void) { drop(take(SMALL)); }

/* --- twice --- */

static void drop_0_again(void) { drop_again(held[0]); }

/* Block 0 by another thread, then by its owner; all but block 1 of the span by now. */
static void set_up_freed_twice(void)
{
    set_up_nearly_ripe();
    as(1, drop_0);
    as(0, drop_0_again);
}

/* Allocates until everything that others have freed has been looked at. */
static void churn(void)
{
    void *some[3 * CAPACITY];
    drop_held(0, 256);
    for (int i = 0; i < 3 * CAPACITY; i++) some[i] = take(SIZE);
    for (int i = 0; i < 3 * CAPACITY; i++) drop(some[i]);
    drain();
}

static void check_told(void)
{
    as(1, drain);
    as(2, drain);
    as(0, churn);
    sound();
    if (ntold() != 1) broken("a double free is told %u times", ntold());
    none_is_kept();
}

/* The owner looks at what others have freed before it allocates. */
static void check_told_if_free_still(void)
{
    as(1, drain);
    as(0, drain);
    check_told();
}

static void set_up_large(void)
{
    have_heaps();
    held[0] = take(100000);
    held[1] = take(100000);
}

static void check_large(void)
{
    sound();
    if (large_of(held[0])) broken("a large block that was freed is still there");
    if (ntold() != 1) broken("a double free is told %u times", ntold());
}

static void take_and_drop_large(void) { drop(take(100000)); }

static void check_large_twice(void)
{
    sound();
    if (large_of(held[0]) || large_of(held[1])) broken("a large block that was freed is still there");
}

static const struct scene SCENES[] = {
    {SCENE(an_exhausted_span_takes_in_what_another_frees), .set_up = set_up_exhausted, .run = {take_and_drop, drop_0},
     .check = check},
    {SCENE(a_current_span_takes_in_what_another_frees), .set_up = set_up_current, .run = {take_two, drop_0_and_1},
     .check = check},
    {SCENE(a_full_span_is_woken_by_one_of_two), .set_up = set_up_full, .run = {NULL, drop_0, drop_1}, .check = check},
    {SCENE(a_full_span_is_woken_while_its_owner_looks), .set_up = set_up_full, .run = {take_and_drop, drop_0}, .check = check},
    {SCENE(two_spans_are_woken_at_once), .set_up = set_up_two_full, .run = {NULL, drop_0, drop_9}, .check = check},
    {SCENE(the_last_two_frees_give_a_span_back), .set_up = set_up_nearly_ripe, .run = {NULL, drop_0, drop_1},
     .check = check_gone},
    {SCENE(the_last_two_frees_and_the_owner), .is_big = true, .set_up = set_up_nearly_ripe,
     .run = {take_and_drop, drop_0, drop_1}, .check = check},
    {SCENE(the_last_frees_by_owner_and_another), .set_up = set_up_nearly_empty, .run = {drop_0_and_go_home, drop_1},
     .check = check},
    {SCENE(the_last_frees_by_two_others), .set_up = set_up_nearly_empty, .run = {take_and_drop, drop_0, drop_1}, .check = check},
    {SCENE(two_free_and_the_owner_allocates), .is_big = true, .set_up = set_up_exhausted, .run = {take_two, drop_0, drop_1},
     .check = check},
    {SCENE(the_last_frees_by_owner_and_another_of_a_full_span), .set_up = set_up_nearly_ripe, .run = {drop_0_and_go_home, drop_1},
     .check = check},
    {SCENE(two_free_and_the_owner_frees_one), .set_up = set_up_full, .run = {drop_2_take_and_drop, drop_0, drop_1},
     .check = check},
    {SCENE(two_free_and_the_owner_has_its_list), .set_up = set_up_full, .run = {drop_two_and_take_them, drop_0, drop_1},
     .check = check},
    {SCENE(two_free_and_the_owner_does_both), .set_up = set_up_full, .run = {drop_two_take_and_drop, drop_0, drop_1},
     .check = check},
    {SCENE(a_pusher_of_an_earlier_life), .set_up = set_up_next_life, .run = {drop_2_take_and_drop, drop_0, drop_1_and_take},
     .check = check},
    {SCENE(a_count_that_is_too_high), .is_big = true, .set_up = set_up_pages,
     .run = {take_three_and_give, drain, drop_given_and_drain}, .check = check_pages},
    {SCENE(an_empty_span_on_a_stack), .set_up = set_up_full, .run = {drop_1_to_8, drop_0}, .check = check},
    {SCENE(a_word_of_bits_while_another_is_taken), .set_up = set_up_two_words, .run = {take_and_drop_small, drain},
     .check = check},
    {SCENE(what_was_gathered_wakes_a_span), .set_up = set_up_small, .run = {take_and_drop_small, drain}, .check = check},
    {SCENE(what_was_gathered_gives_a_span_back), .set_up = set_up_small_ripe, .run = {take_and_drop_small, drain},
     .check = check},
    {SCENE(a_double_free_by_two_others_is_told), .set_up = set_up_exhausted, .run = {drop_2, drop_0, drop_0_again},
     .check = check_told},
    {SCENE(a_double_free_by_owner_and_another_is_told), .set_up = set_up_full, .run = {drop_0, drop_0_again},
     .check = check_told_if_free_still},
    {SCENE(a_span_of_which_one_is_freed_twice_stays), .set_up = set_up_freed_twice, .run = {NULL, drop_1},
     .check = check_told_if_free_still},
    {SCENE(a_large_block_freed_twice_at_once_is_told), .set_up = set_up_large, .run = {drop_0, drop_0_again},
     .check = check_large},
    {SCENE(large_blocks_are_freed_and_taken), .is_big = true, .set_up = set_up_large,
     .run = {take_and_drop_large, drop_0, drop_1}, .check = check_large_twice},
    {.promise = NULL},
};

int main(int argc, char **argv) { return model_main(SCENES, argc, argv); }
