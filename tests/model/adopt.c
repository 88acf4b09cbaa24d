/*
 * Threads may exit, and others begin, or allocate from what an exited one has left, while blocks of theirs are freed: each heap
 * has one owner at most, each span one heap, and each block comes back once. Locks let everybody in, and wake who sleeps.
 *
 * What can go wrong (heap/thread.c, refill.c, event.c): a heap is in the pool while somebody changes it; the pool's top comes and
 * goes and comes again while somebody looks at it; a span changes its owner while a pusher has it put on the stack of the old
 * one.
 */
#include "machine.h"
#include "scenes.h"

#include "heap/large.h"

/* HOME and 1 have heaps. 0 owns two spans of which all blocks are held, 0 to 8 are a full one's, 9 to 17 the current one's. 2 is
 * new. */
static void set_up_owner(void)
{
    have_a_heap();
    as(1, have_a_heap);
    as(0, own_two_spans);
}

/* And 0 has gathered a block of HOME's. */
static void drop_last(void) { drop(held[255]); }
static void set_up_gathered(void)
{
    set_up_owner();
    held[255] = take(16);
    as(0, drop_last);
}

static void grow_up_medium(void) { grow_up(SIZE); }

static void drop_4(void) { drop(held[4]); }

/* Another thread in its place. */
static void be_born(void) { thread = (struct thread){0}; }

static void drop_0_to_3(void) { drop_held(0, 4); }

/* 0 has gone, another is 0 now. 2 has a heap that allocates from its own spans. */
static void set_up_gone(void)
{
    set_up_owner();
    as(2, grow_up_medium);
    as(0, leave);
    as(0, be_born);
}

/* And half of the full one was free. */
static void set_up_gone_with_some(void)
{
    set_up_owner();
    as(2, grow_up_medium);
    as(0, drop_0_to_3);
    as(0, leave);
    as(0, be_born);
}

/* One and the same heap is nobody else's: neither another thread's nor in the pool. */
static uintptr_t own;
static void note_own(void) { own = thread.own; }
static void heaps_are_distinct(void)
{
    uintptr_t owners[NTHREADS + 1] = {[HOME] = thread.own};
    struct heap *heap;
    for (unsigned i = 0; i < NTHREADS; i++) {
        as(i, note_own);
        owners[i] = own;
        for (unsigned k = 0; k <= NTHREADS; k++)
            if (k != i && own && owners[k] == own) broken("threads %u and %u have the same heap", i, k);
    }
    for (unsigned left = 16; (heap = heap_unpool_any()) != NULL; left--) {
        if (left == 0) broken("the pool goes round");
        for (unsigned k = 0; k <= NTHREADS; k++)
            if (owners[k] == heap_identity(heap)) broken("the heap of thread %u is in the pool", k);
    }
}

/* Every heap that is left is taken over by HOME, one after the other, and drained. */
static void drain_all(void)
{
    struct thread before = thread;
    struct heap *heap;
    for (size_t i = 0; (heap = heap_at(i)) != NULL; i++) {
        uint32_t state = heap->state;
        if (state == HEAP_SHARED || state == HEAP_UNUSED) continue;
        thread.own = thread.heap = heap_identity(heap);
        heap_drain(heap, false);
    }
    thread = before;
}

static void check(void)
{
    sound();
    all_is_announced();
    drop_all();
    drain_all();
    sound();
    none_is_kept();
    if (ntold()) broken("%u double frees are told, and there was none", ntold());
    heaps_are_distinct();
}

/* Begins, and looks at what there is. */
static void take_over(void) { have_a_heap(), drain(); }

static void set_up_leaving(void)
{
    set_up_owner();
    as(2, grow_up_medium);
}

/* One more is freed, for which the span may be moved, and by its owner only. */
static void check_owner(void)
{
    drop(held[2]);
    drain_all();
    sound();
    check();
}

static void drop_1_and_leave(void) { drop_1(), leave(); }
static void take_three(void)
{
    for (int i = 0; i < 3; i++) take(SIZE);
}

static void leave_late(void)
{
    leave();
    take_and_drop();
}

/* --- who comes and goes --- */

static void begin(void) { heap_acquire(); }
static void come_and_go(void) { begin(), leave(); }
static void set_up_pool(void)
{
    have_a_heap();
    as(0, have_a_heap);
    as(1, have_a_heap);
    as(1, leave);
    as(0, leave);
    as(0, be_born);
    as(1, be_born);
}

/* Only HOME has a heap, and 1, whose record came with a page of them. */
static void set_up_few(void)
{
    have_a_heap();
    as(1, have_a_heap);
}

static void set_up_heaps(void)
{
    set_up_few();
    as(0, have_a_heap);
    as(2, have_a_heap);
}

/* --- the lock itself --- */

static void take_and_drop_large(void) { drop(take(100000)); }

/* Three of 0's, which others free, who take none themselves: they meet at its places, while it takes out of them. */
static void *large[3];
static void make_large(void)
{
    for (int i = 0; i < 3; i++) large[i] = take(100000);
}
static void drop_large_0(void) { drop(large[0]); }
static void drop_large_1(void) { drop(large[1]); }
static void drop_large_2(void) { drop(large[2]); }

static bool is_anything_kept(void)
{
    for (size_t i = 0; i < range_limit(); i++)
        if (span_state(range.records + i) == SPAN_KEPT) return true;
    return false;
}

/* Of 0's one has been freed that it may now want, and so may anybody who wants all that is free. */
static void set_up_kept(void)
{
    set_up_heaps();
    as(0, make_large);
    as(1, drop_large_0);
    if (!is_anything_kept()) broken("nothing is kept");
}

static void check_kept(void)
{
    check();
    if (is_anything_kept()) broken("what was kept is lost");
}

/* HOME, 0, 1 and 2 have heaps; 0's first two blocks are of a span of the shared heap's, which it takes over when it wants
 * more. */
static void set_up_shared(void)
{
    set_up_heaps();
    as(0, hold_two_and_grow_up);
}

/* Each of the three is in one place, or free. */
static void check_home(void)
{
    check();
    large_give_all_kept();
    if (is_anything_kept()) broken("what was kept is lost");
}

static struct lock lock;
static uint64_t ninside, nserved;
static void go_in(void)
{
    door_take(&lock);
    machine_touch(&ninside, true);
    if (ninside++ != 0) broken("two hold a lock");
    machine_touch(&nserved, true);
    nserved++;
    machine_touch(&ninside, true);
    ninside--;
    door_drop(&lock);
}
static void go_in_twice(void) { go_in(), go_in(); }

static void check_lock(void)
{
    if (lock.word) broken("a lock that nobody holds is %d", lock.word);
    if (nserved != 4) broken("%u were let in", (unsigned)nserved);
}

static const struct scene SCENES[] = {
    {SCENE(an_owner_exits_while_another_frees), .set_up = set_up_owner, .run = {leave, drop_0}, .check = check},
    {SCENE(an_owner_exits_while_another_begins), .set_up = set_up_gathered, .run = {leave, NULL, take_over}, .check = check},
    {SCENE(an_owner_exits_and_goes_on), .set_up = set_up_owner, .run = {leave_late, drop_0}, .check = check},
    {SCENE(a_span_is_adopted_while_another_frees), .set_up = set_up_gone, .run = {NULL, drop_0, take_and_drop}, .check = check},
    {SCENE(a_span_with_room_is_adopted_while_another_frees), .set_up = set_up_gone_with_some,
     .run = {NULL, drop_4, take_and_drop}, .check = check},
    {SCENE(a_heap_is_adopted_while_another_frees), .set_up = set_up_gone, .run = {take_over, drop_0}, .check = check},
    {SCENE(a_heap_and_a_span_are_adopted), .set_up = set_up_gone_with_some, .run = {take_over, NULL, take_and_drop},
     .check = check},
    {SCENE(a_woken_span_changes_hands), .set_up = set_up_gone, .run = {take_over, drop_0, take_and_drop}, .check = check},
    {SCENE(an_owner_exits_while_others_free_and_adopt), .set_up = set_up_leaving, .run = {leave, drop_0, take_and_drop},
     .check = check},
    {SCENE(a_notice_comes_to_the_former_owner), .is_big = true, .set_up = set_up_leaving,
     .run = {drop_1_and_leave, drop_0, take_three}, .check = check_owner},
    {SCENE(heaps_come_and_go), .set_up = set_up_pool, .run = {begin, come_and_go, begin}, .check = heaps_are_distinct},
    {SCENE(heaps_are_made_at_once), .set_up = set_up_few, .run = {begin, NULL, begin}, .check = heaps_are_distinct},
    {SCENE(young_heaps_share), .set_up = set_up_heaps, .run = {take_and_drop, take_and_drop}, .check = check},
    {SCENE(a_shared_span_is_claimed_while_others_use_it), .set_up = set_up_shared, .run = {take_and_drop, drop_0, take_and_drop},
     .check = check},
    {SCENE(a_shared_span_is_claimed_by_one_of_two), .set_up = set_up_shared, .run = {take_and_drop, NULL, take_and_drop},
     .check = check},
    {SCENE(large_blocks_come_and_go), .set_up = set_up_heaps, .run = {take_and_drop_large, take_and_drop_large}, .check = check},
    {SCENE(what_is_kept_is_wanted_by_all), .set_up = set_up_kept,
     .run = {take_and_drop_large, large_give_all_kept, large_give_all_kept}, .check = check_kept},
    {SCENE(what_others_free_is_kept_for_its_home), .set_up = set_up_kept,
     .run = {take_and_drop_large, drop_large_1, drop_large_2}, .check = check_home},
    {SCENE(a_lock_lets_in_one_at_a_time), .set_up = have_a_heap, .run = {go_in_twice, go_in, go_in}, .check = check_lock},
    {.promise = NULL},
};

int main(int argc, char **argv) { return model_main(SCENES, argc, argv); }
