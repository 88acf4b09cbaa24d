/* listed.c - free blocks that wait on a list of their class, of whichever spans they are, and their way home.
 *
 * A small span that had few free blocks when it became current would be full soon, and again and again current for a few: from
 * then on it is attached, as is one whose free blocks are used before the current one is carved on. What its owner frees of it
 * goes on the class's list, with the current span's, and malloc takes what was freed last of any of them. Such blocks are out as
 * far as their spans know, until those that nobody wants are sent home. The span is detached when it is current again, or when
 * all on the list is sent home, for its thread frees in bulk.
 *
 * Medium blocks go on such a list whichever their spans, up to ROOM bytes of a class, or more (heap_look_at_list); what comes
 * then goes home at once (block.h), and all of a list that nobody has touched for a while (trim.c).
 *
 * A thread that shares its objects with others, one at a time (refill.c counts), reuses them: others' blocks that it frees go on
 * its own lists. Small ones as if their spans were attached, until what it set aside at one review is there at the next: then the
 * class is sated. Out as far as their owners know, they are no remote frees, whose lines go there and back. One that its owner
 * frees as well is on two lists: whoever takes it second finds no link, unless its span has been given back in between. */
#include "event.h"
#include "../guard/crime.h"
#include "../os/options.h"

/* --- what is on them --- */

COLD bool block_is_with(const struct heap *heap, unsigned class, const struct block *block)
{
    const struct span *current = class < NSMALL ? PEEK(heap->current[class]) : NULL; /* where small ones wait (review) */
    return block_is_on(PEEK(heap->pairs[class].head), block) || (current && block_is_on(PEEK(current->pair.head), block));
}

COLD bool block_is_reused(const struct block *block, unsigned class)
{
    const struct heap *heap;
    bool is_there = false;
    for (size_t i = 0; (heap = heap_at(i)) != NULL && !is_there; i++)
        is_there = PEEK(heap->has_others) && block_is_with(heap, class, block);
    return is_there;
}

SLOW bool block_is_far(const struct block *block)
{
    const struct block *far = block_next(block); /* once: it may change under who only looks */
    const struct desc *desc = range.table + range_index(block), *next = range.table + range_index(far);
    return range_has(far) && PEEK(desc->class) == PEEK(next->class) && desc_is_start(next, far);
}

/* A block of the span's on the heap's list of its class, or behind it; NULL. */
static const struct block *find_of(const struct span *span, const struct block *at)
{
    const struct desc *desc = span_desc(span);
    for (unsigned left = LIST_MAX; range_has(at) && left; at = block_after(at), left--) /* malloc looks no further than 2 GiB */
        if (range.table[range_index(at)].start == desc->start) return at;
    return NULL;
}

const struct block *heap_find_listed(const struct heap *heap, const struct span *span)
{
    unsigned class = span_desc(span)->class;
    const struct span *current = heap->current[class];
    const struct block *block = find_of(span, heap->pairs[class].head);
    return block || !current ? block : find_of(span, current->pair.head);
}

/* Only if one looks as if it were is the list walked: it may be long, and there are many spans of whose blocks none does. */
uint64_t listed_bits(const struct span *span, uint64_t of)
{
    const struct desc *desc = span_desc(span);
    const struct block *at = desc->list->head;
    uint64_t look = 0, listed = 0;
    for (uint64_t left = at ? of : 0; left; left &= left - 1)
        if (block_is_sound((const void *)(desc->start + (size_t)bits_lowest(left) * desc->size))) look |= left & -left;
    for (unsigned left = look ? LIST_MAX : 0; range_has(at) && left; at = block_after(at), left--)
        if (range.table[range_index(at)].start == desc->start) listed |= (uint64_t)1 << desc_index(desc, at);
    return listed & look;
}

/* Pushing a block a second time links it back to where it stood (Floyd). */
struct block *listed_find_double(struct block *head, bool is_of_many)
{
    struct block *slow = head, *fast = head;
    do {
        for (int step = 0; step < 2; step++) {
            bool is_sound = fast && (block_leads_within(fast, SLICE_SIZE) || (is_of_many && block_is_far(fast)));
            if (!is_sound) return fast;
            fast = block_next(fast);
        }
        slow = block_next(slow);
    } while (slow != fast);
    for (slow = head; slow != fast; fast = block_next(fast)) slow = block_next(slow);
    return slow;
}

/* --- the way home --- */

enum { MEASURED = 8 }; /* reviews */

/* Whether nothing is left to do with a block of a list of the heap's: another's is sent to it. One that was freed twice, and
 * whose span is gone, is told. */
static bool is_elsewhere(struct heap *heap, unsigned class, struct block *block)
{
    const struct desc *desc = range.table + range_index(block);
    struct span *span = span_of_start(desc->start);
    bool is_there = LIKELY(desc->class == class && desc_is_start(desc, block));
    if (is_there && heap_of_span(span) == heap) return false;
    if (is_there && class < NSMALL) block_link(block, NULL);
    if (UNLIKELY(!is_there || !remote_free(heap, span, desc_index(desc, block))))
        crime_report("free()", &(struct evidence){CRIME_DOUBLE, block, block, class_table[class].size});
    return true;
}

/* Blocks that a list began with, of one span of the heap's and as free left them. They move at once, for their links do not
 * depend on where they are. */
struct run {
    struct block *first, *last;
    unsigned n;
    uint64_t weight;
};

static struct run cut_run(const struct heap *heap, unsigned class, struct block **list, unsigned most)
{
    struct run run = {.first = *list};
    const struct desc *desc = range.table + range_index(run.first);
    if (desc->owner != heap_owner(heap, class) || desc->class != class) return run;
    struct block *at = run.first;
    most = (unsigned)min_size(most, desc->carved);
    for (; run.n < most && ((uintptr_t)at ^ (uintptr_t)run.first) < SLICE_SIZE; at = block_next(at)) {
        if (!desc_is_start(desc, at) || !block_is_sound(at)) break;
        run.last = at, run.n++, run.weight += (uintptr_t)at;
    }
    return *list = at, run;
}

/* The list with the run before it. */
static struct block *put_run(struct run run, struct block *list) { return block_link(run.last, list), run.first; }

/* block_is_sound of one on the class's list, in fewer words: that there is memory where it leads. */
static bool leads_on(const struct block *block, unsigned class)
{
    if (LIKELY(block_leads_within(block, SLICE_SIZE))) return true;
    const struct block *next = block_next(block);
    const struct desc *desc = range.table + range_index(next);
    return range_has(next) && PEEK(desc->bound) && PEEK(desc->class) == class;
}

/* Before all of a list is sent home: with a block on it twice it goes round, and its spans would count the same blocks again and
 * again. Where it breaks off is told by who comes there. */
static bool ends_or_tell(struct block **list, unsigned class)
{
    unsigned left = LIST_MAX;
    for (const struct block *at = *list; at && left && leads_on(at, class); at = block_next(at)) left--;
    const struct block *block = LIKELY(left) ? NULL : listed_find_double(*list, true);
    if (LIKELY(!block || !block_is_sound(block))) return true;
    crime_report("free()", &(struct evidence){CRIME_DOUBLE, block, block, class_table[class].size});
    return *list = NULL, false;
}

/* An available span of whose blocks none is on a list of the class's: what is freed of it goes there from now on. If one is at
 * home and was handed out all the same, for it had been freed twice, the list there breaks off. */
static bool detach_or_tell(struct span *span)
{
    uint64_t weight = 0, whole = heap_due(span) - span->pair.due;
    const struct block *at = span->pair.head;
    for (; at && weight < whole && block_leads_within(at, SLICE_SIZE); at = block_next(at)) weight += (uintptr_t)at;
    if (UNLIKELY(at || weight != whole)) return event_tell_double(span);
    return span_repoint(span, &span->pair), true;
}

/* Whether none of the span's is on the rest of a list, as far as a short look tells: there will be another, with less on the
 * list. */
static const unsigned GOES_HOME = 32, ALL = ~0U; /* blocks of a list */
static bool is_last_of(const struct span *span, const struct block *rest)
{
    const struct desc *desc = span_desc(span);
    unsigned left = 2 * GOES_HOME;
    while (rest && left-- && range.table[range_index(rest)].start != desc->start && leads_on(rest, desc->class))
        rest = block_next(rest);
    return !rest;
}

/* Puts a run where it belongs, and, if it may be, detaches its span with the last of its blocks. False: a block came twice. */
static bool put_home(struct heap *heap, struct span *span, struct run run, const struct block *rest, bool detaches)
{
    if (span_state(span) == SPAN_FULL) event_put_in_line(heap, span, remote_take(span, false));
    span->pair.head = put_run(run, span->pair.head);
    if (bits_subtract(&span->pair.due, run.weight)) return event_vacate_or_tell(span);
    if (!detaches || span_desc(span)->pair == &span->pair || !is_last_of(span, rest)) return true;
    return detach_or_tell(span);
}

/* So many blocks of a list of the class's go to their spans, which are attached or others'. Those of the current span, of which
 * there may be more than of others, come back to its list; or, if all that are listed go but these, to where they wait, and the
 * spans are detached. Returns how many went. */
static unsigned send_home(struct heap *heap, unsigned class, struct block **list, unsigned most, bool are_all)
{
    struct pair *stay = are_all ? &heap->current[class]->pair : &heap->pairs[class];
    struct run run, kept = {0};
    unsigned ngone = 0;
    if (most == ALL && !ends_or_tell(list, class)) return 0;
    for (unsigned left = 4 * most; left && ngone < most && *list; left -= run.n) {
        struct span *span = span_of_start(range.table[range_index(*list)].start);
        bool stays = span == heap->current[class];
        run = cut_run(heap, class, list, (unsigned)min_size(left, stays ? left : most - ngone));
        struct block *other = LIKELY(run.n) ? NULL : heap_pop_listed(list, "free()");
        if (UNLIKELY(other)) is_elsewhere(heap, class, other), ngone++;
        if (!run.n) continue;
        if (stays && kept.n) put_run(run, kept.first), run.last = kept.last;
        if (stays) kept = run;
        if (stays) continue;
        ngone += run.n;
        if (UNLIKELY(!put_home(heap, span, run, *list, are_all))) *list = NULL; /* what is behind it cannot be trusted: lost */
    }
    if (kept.n) stay->head = put_run(kept, stay->head);
    return ngone;
}

/* Whatever is on a list beyond LISTED bytes waits, if nothing does. */
static void cut_long(struct span *current, struct block *list)
{
    unsigned left = (unsigned)max_size(LISTED_LEAST, LISTED / span_desc(current)->size);
    while (list && --left) list = block_after(list);
    struct block *rest = list ? block_after(list) : NULL;
    if (rest) current->pair.head = rest, block_link(list, NULL);
}

/* After so many frees, in which the class's list has not been empty: what was on it at the last review has not been wanted since,
 * and some of it goes home. Meanwhile it waits where the current span's own list would be; refill_remote takes it back. When all
 * has gone, and still nobody wants any, the thread frees in bulk: then all goes at each review but the current span's, and their
 * spans are detached. Returns whether any went.
 *
 * Who allocates right after each review takes back all that waits, and looks as if it wanted it; but one in the middle of a
 * pipeline may get more of others' blocks than it uses, and would keep whatever it ever got. So each MEASURED reviews the list is
 * seen not to be long. */
static bool review(struct heap *heap, unsigned class)
{
    struct span *current = heap->current[class];
    uint64_t bit = class < NSMALL ? UINT64_C(1) << class : 0;
    if (!(heap->attached & bit)) return false;
    struct block **list = &heap->pairs[class].head;
    if (!current) return heap->sated |= bit, send_home(heap, class, list, GOES_HOME, false);
    struct block **waits = &current->pair.head;
    if (heap->bulk & bit) return send_home(heap, class, list, ALL, true);
    if (!*waits && ++current->seen % MEASURED == 0) cut_long(current, *list);
    unsigned ngone = send_home(heap, class, waits, GOES_HOME, false);
    if (*waits) heap->sated |= bit;
    else if (ngone && send_home(heap, class, list, GOES_HOME, false) < GOES_HOME) heap->bulk |= bit;
    else *waits = *list, *list = NULL;
    return ngone;
}

unsigned listed_review(struct heap *heap, unsigned class) { return review(heap, class) ? GOES_HOME / 2 : 0; }

void heap_send_home(struct heap *heap, unsigned class)
{
    struct block *block;
    while ((block = heap_pop_listed(&heap->pairs[class].head, "free()")) != NULL) {
        const struct desc *desc = range.table + range_index(block);
        struct span *span = span_of_start(desc->start);
        if (is_elsewhere(heap, class, block)) continue;
        uint64_t bit = (uint64_t)1 << desc_index(desc, block), twice = desc->pair->bits & bit;
        if (UNLIKELY(twice)) remote_tell_twice(span, 0, twice);
        pair_set_bits(desc->pair, desc->pair->bits | bit);
        if (!twice && bits_subtract(&desc->pair->due, 1)) event_move(heap, span);
    }
}

/* What the heap's lists may hold beyond ROOM, all together: nothing under a limit, which somebody else may need. Those that are
 * empty give back theirs. */
static size_t room_left(struct heap *heap)
{
    size_t most = min_size(ROOM_WIDE, 2 * min_size(PEEK(heap_share), SLICES_MAX) << SLICE_SHIFT), taken = 0;
    for (struct pair *list = &heap->pairs[NSMALL]; list < &heap->pairs[NCLASSES]; list++) {
        if (list->room > ROOM && !list->head) list->room = ROOM;
        if (list->room > ROOM) taken += (size_t)(list->room - ROOM);
    }
    return most - min_size(taken, most);
}

static bool widen(struct heap *heap, unsigned class)
{
    struct pair *list = &heap->pairs[class];
    size_t more = list->room >= ROOM ? min_size((size_t)list->room, room_left(heap)) : 0;
    if (more < class_table[class].size) return false;
    list->head->room += (int32_t)more, list->room += (int32_t)more;
    return true;
}

/* Who frees in bulk is known by a list that is full, and of which nothing has been taken since. It goes home, and is closed. Who
 * asks for more all the same fills and drops over and over, and gets ROOM at once. From ROOM on the list gets twice as much
 * instead, as long as there is. If that does not do either, or others have taken what there is, it would go home for nothing each
 * time: it is narrow until it has been closed NARROW times.
 * A free that is refused by a list which is not full may have walked along it, for the block looks as if it were there: one that
 * is wide goes home. */
void heap_look_at_list(struct heap *heap, unsigned class, bool was_refused)
{
    struct pair *list = &heap->pairs[class];
    uint16_t head = (uint16_t)((uintptr_t)list->head / GRANULE);
    if (!list->head) return; /* or malloc would take it for used (block_room) */
    bool is_full = was_refused && list->head->room < (int32_t)class_table[class].size;
    bool is_in_the_way = was_refused && !is_full && list->room > ROOM;
    if (is_in_the_way || (list->seen == head && !(is_full && widen(heap, class)))) {
        int32_t room = list->room, narrow = room & NARROW;
        heap_enter(heap), heap_send_home(heap, class), heap_leave(heap);
        list->room = narrow ? 1 - narrow : !is_full ? 0 : room >= ROOM ? -NARROW : LIST_CLOSED;
    }
    list->seen = head;
}

void listed_send_all_home(struct heap *heap)
{
    for (unsigned class = NSMALL; class < NCLASSES; class ++)
        if (heap->pairs[class].head) heap_send_home(heap, class); /* most are empty when a thread ends */
    for (uint64_t left = heap->attached; left; left &= left - 1) {
        unsigned class = (unsigned)bits_lowest(left);
        if (heap->current[class]) send_home(heap, class, &heap->current[class]->pair.head, ALL, false);
        send_home(heap, class, &heap->pairs[class].head, ALL, false);
    }
}

/* --- others' blocks --- */

/* Another one, most likely, as soon as the thread has got or freed a block of the class. */
static uint32_t state_of(struct heap *heap, unsigned class)
{
    const struct pair *list = &heap->pairs[class];
    uint64_t all = 3 * (uintptr_t)list->head + list->due + heap_pair(heap, class)->bits; /* the latter of a small one its head */
    return (uint32_t)(all ^ all >> 32);
}

/* Who frees many in a row does not want them all, and their owners do: they are better off at home. (Figures: ../README.md.) */
void heap_look_at_row(struct heap *heap, unsigned class)
{
    bool is_same = heap->row.state == state_of(heap, heap->row.class);
    heap->row.nsame = (uint16_t)min_size(heap->row.nsame + is_same, UINT16_MAX);
    heap->row.class = (uint8_t) class;
    heap->row.state = state_of(heap, class);
}

bool heaps_reuse;
void heap_reuse(struct heap *heap, bool reuses)
{
    heap->reuses = reuses;
    if (heap == heap_own()) thread.frees = reuses ? 0 : thread.heap;
    if (!reuses) return;
    __atomic_store_n(&heaps_reuse, true, __ATOMIC_RELAXED);
    __atomic_store_n(&heap->has_others, true, __ATOMIC_RELAXED);
    heap->attached = (UINT64_C(1) << NSMALL) - 1; /* small classes all: others' blocks are as those of attached spans */
    for (unsigned class = 0; class < NSMALL; class ++)
        if (heap->current[class]) heap_wind_up(heap, heap->current[class], &heap->pairs[class]);
}
