/* event.c - what becomes of frees: what happens when `due` of a span runs out, and what is emptied.
 *
 * An event is `due` of a span underflowing. FULL: enough frees that it is worth allocating from again, so AVAILABLE. AVAILABLE:
 * the last block came back, so it is given back. CURRENT, or attached: so many frees onto the class's list, which is reviewed. What other
 * threads have freed wakes its span instead (remote.h); where that is too little, refills draw it in, a few spans at a time.
 *
 * By weight (span.h), with start the span's address, far above the size of a span, and n blocks of it,
 *
 *      due = n * start - 1             underflows at the n-th free, whichever blocks they are
 *      due = sum of addresses - 1      underflows when all of these blocks have come, and is then exactly -1; if it
 *                                      underflows to anything else, one of them came twice
 *
 * Law: AVAILABLE: due == weight of the blocks out - 1, or parked if none is.
 *
 * A small span that had few free blocks when it became current would be full soon, and again and again current for a few: from then on it is attached,
 * as is one whose free blocks are used before the current one is carved on. What its owner frees of it goes on the class's list, with the current
 * span's, and malloc takes what was freed last of any of them. Such blocks are out as far as their spans know, until those that nobody wants are sent
 * home. The span is detached when it is current again, or when all on the list is sent home, for its thread frees in bulk.
 *
 * Medium blocks go on such a list whichever their spans, up to ROOM bytes of a class; what comes then goes home at once (block.h), and all of a list that
 * nobody has touched for a while (trim.c).
 *
 * A thread that shares its objects with others (refill.c counts) reuses them: others' blocks that it frees go on its own lists. Small ones as if their spans
 * were attached, until what it set aside at one review is there at the next: then the class is sated. Out as far as their owners know, they are no
 * remote frees, whose lines go there and back. One that its owner frees as well is on two lists: whoever takes it second finds no link, unless its span
 * has been given back in between. */
#include "../guard/crime.h"
#include "large.h"
#include "remote.h"

COLD bool block_is_with(const struct heap *heap, unsigned class, const struct block *block)
{
    const struct span *current = class < NSMALL ? PEEK(heap->current[class]) : NULL; /* where small ones wait (review) */
    return block_is_on(PEEK(heap->pairs[class].head), block) || (current && block_is_on(PEEK(current->pair.head), block));
}

COLD bool block_is_reused(const struct block *block, unsigned class)
{
    const struct heap *heap;
    bool is_there = false;
    for (size_t i = 0; (heap = heap_at(i)) != NULL && !is_there; i++) is_there = PEEK(heap->has_others) && block_is_with(heap, class, block);
    return is_there;
}

SLOW bool block_is_far(const struct block *block)
{
    const struct block *far = block_next(block); /* once: it may change under who only looks */
    const struct desc *desc = range.table + range_index(block), *next = range.table + range_index(far);
    return range_has(far) && PEEK(desc->class) == PEEK(next->class) && desc_is_start(next, far);
}

/* All blocks together weigh n * start + size * (0 + 1 + ... + n - 1). */
uint64_t heap_due(const struct span *span)
{
    uint64_t n = span->capacity, spread = span_desc(span)->size * (n * (n - 1) / 2);
    return n * heap_unit(span) + (span_is_small(span) ? spread : 0) - 1;
}

/* Of a FULL span, what its owner has freed. */
static uint64_t weight_freed(const struct span *span)
{
    return span_is_small(span) ? heap_due_at_wake(span) - span->pair.due : (unsigned)__builtin_popcountl(span->pair.bits);
}

/* --- taking in what other threads have freed --- */

/* Links the blocks of a word of bits in address order, the first on top; returns their weight. One that is not as free left it is
 * told and lost. The lines that this reads are those that the blocks' next owners want anyway, and it waits for all at once. */
static uint64_t absorb_small(size_t size, struct pair *pair, char *first, uint64_t bits)
{
    struct block *head = pair->head;
    uint64_t weight = 0;
    while (bits) {
        unsigned k = log2_floor(bits);
        struct block *block = (struct block *)(void *)(first + k * size);
        bits ^= (uint64_t)1 << k;
        if (UNLIKELY(block_next(block) != NULL)) { /* block_is_sound's other ways cost exchange 1.08, producer-consumer 1.13 of the time */
            crime_report("malloc()", &(struct evidence){CRIME_OVERWRITTEN, block, block, size});
            continue;
        }
        block_link(block, head);
        weight += (uintptr_t)block;
        head = block;
    }
    pair->head = head;
    return weight;
}

/* Of the span's blocks, those on the owner's list: they are few and warm, and what another has freed is not. */
static uint64_t bits_listed(const struct span *span)
{
    const struct desc *desc = span_desc(span);
    uint64_t bits = 0;
    for (const struct block *at = desc->list->head; at && block_is_sound(at); at = block_next(at))
        if (range.table[range_index(at)].start == desc->start) bits |= (uint64_t)1 << desc_index(desc, at);
    return bits;
}

/* A bit that is set already was freed by the owner, and by another thread. */
static uint64_t absorb_medium(struct span *span, struct pair *pair, uint64_t bits)
{
    uint64_t twice = (pair->bits | bits_listed(span)) & bits;
    if (UNLIKELY(twice)) remote_tell_twice(span, 0, twice);
    bits &= ~twice;
    pair_set_bits(pair, pair->bits | bits);
    return (unsigned)__builtin_popcountl(bits);
}

uint64_t heap_absorb(struct span *span, struct pair *pair, unsigned word)
{
    _Atomic(uint64_t) *posted = remote_word(span, word);
    uint64_t bits = atomic_load(posted) ? atomic_exchange_explicit(posted, 0, memory_order_acquire) : 0;
    size_t size = span_desc(span)->size;
    return span_is_small(span) ? absorb_small(size, pair, span_blocks(span) + word * 64 * size, bits)
                               : absorb_medium(span, pair, bits);
}

/* Adds all to the span's own, after a take that gave `taken`. From the end, so that the first block is on top. */
static uint64_t absorb(struct span *span, uint64_t taken)
{
    uint64_t weight = 0;
    if (remote_has(taken))
        for (unsigned word = remote_nwords(span); word--;) weight += heap_absorb(span, &span->pair, word);
    return weight;
}

/* --- giving spans back --- */

void heap_give(struct span *span)
{
    size_t carved = limit_charge_of(span), end = (size_t)(span_blocks(span) - span_address(span)) + carved;
    limit_refund(carved);
    span_blank(span);
    span_give(span, span->is_clean ? (end + SLICE_SIZE - 1) >> SLICE_SHIFT : span_nslices(span));
}

/* Whether every block of a small span is as free left it: what was written into freed blocks meanwhile is told before they are
 * anybody else's. In address order, so that the processor fetches ahead. */
static bool is_all_sound(struct span *span)
{
    size_t size = span_desc(span)->size;
    char *block = span_blocks(span);
    for (unsigned k = 0; k < span->capacity; k++, block += size) {
        if (LIKELY(block_is_sound((struct block *)(void *)block))) continue;
        crime_report("free()", &(struct evidence){CRIME_OVERWRITTEN, block, block, size});
        return false;
    }
    return true;
}

void heap_release(struct span *span)
{
    if (span_is_small(span) && UNLIKELY(!is_all_sound(span))) span_set_state(span, SPAN_LOST);
    else heap_give(span);
}

/* A block of the span's on the heap's list of its class, or behind it; NULL. */
static const struct block *find_of(const struct span *span, const struct block *at)
{
    const struct desc *desc = span_desc(span);
    for (unsigned left = LIST_MAX; range_has(at) && left; left--) {
        if (range.table[range_index(at)].start == desc->start) return at;
        at = block_is_sound(at) ? block_next(at) : NULL;
    }
    return NULL;
}

const struct block *heap_find_listed(const struct heap *heap, const struct span *span)
{
    unsigned class = span_desc(span)->class;
    const struct span *current = heap->current[class];
    const struct block *block = find_of(span, heap->pairs[class].head);
    return block || !current ? block : find_of(span, current->pair.head);
}

/* A FULL span, whose word has been taken, is its owner's again. */
static void take_back(struct span *span, uint64_t word)
{
    uint64_t freed = weight_freed(span);
    span->pair.due = heap_due(span) - freed - absorb(span, word);
    span_set_state(span, SPAN_AVAILABLE);
}

void heap_take_in(struct span *span)
{
    if (span_state(span) == SPAN_FULL) take_back(span, remote_take(span, false));
    else if (remote_has(remote_load(span))) span->pair.due -= absorb(span, remote_take(span, false));
}

/* Of an attached one some blocks are free at home, and some on the class's list. Of one that was freed there and here the span knows once, and would go
 * while that block is in use, or on the list. */
static void give_or_tell(const struct heap *heap, struct span *span)
{
    if (LIKELY(!span_is_small(span) || span_desc(span)->pair == &span->pair)) return heap_give(span);
    const struct block *block = heap_find_listed(heap, span);
    span_repoint(span, &span->pair); /* if it is lost, what comes stays there */
    if (LIKELY(!block)) return heap_release(span);
    crime_report("free()", &(struct evidence){CRIME_DOUBLE, block, block, span_desc(span)->size});
    span_set_state(span, SPAN_LOST);
}

/* The next event is after n frees more; all that is due now will count as if it had come. */
static void hurry(struct heap *heap, struct pair *pair, unsigned n, uintptr_t unit)
{
    uint64_t soon = n * unit;
    if (pair->due <= soon) return;
    heap->nhad -= (uint32_t)min_size(heap->nhad, (pair->due - soon) / unit);
    pair->due = soon;
}

/* A span of the class has been given back, a medium one and the second since malloc looked for one: its thread frees what it has. So the current one
 * goes, too, when it is empty, at which nobody else would look. */
static void expect_end(struct heap *heap, unsigned class)
{
    struct span *current = heap->emptied & heap_bit(class) ? heap->current[class] : NULL;
    unsigned nout = current ? heap_end_current(heap, current) : 0;
    if (nout) hurry(heap, heap_pair(heap, class), nout - 1, 1);
    heap->emptied |= heap_bit(class);
}

void heap_vacate(struct span *span)
{
    struct heap *heap = heap_of_span(span);
    unsigned class = span_desc(span)->class;
    heap_take_in(span);          /* what others have freed now was freed twice, and is told */
    span->pair.due = DUE_PARKED; /* says: nothing out, waiting to be taken off the stack */
    if (remote_load(span) & REMOTE_NOTIFIED) return;
    list_remove(&span->node);
    give_or_tell(heap, span);
    expect_end(heap, class);
}

/* The first block that a list meets twice: pushing a block a second time links it back to where it stood (Floyd). Or where it leads further away than it
 * should, for there is one that was pushed onto another list, or overwritten. NULL: the list ends. */
static struct block *find_double(struct block *head, bool is_of_many)
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

/* A small span's frees were as many as its blocks, and not the same; or what is at home is not what has been counted. */
static COLD bool tell_double(struct span *span)
{
    struct block *gone = heap_find_gone(span), *block = gone ? gone : find_double(span->pair.head, false);
    crime_report("free()", &(struct evidence){CRIME_DOUBLE, block, block, span_desc(span)->size});
    list_remove(&span->node);
    span_repoint(span, &span->pair);
    span_set_state(span, SPAN_LOST);
    span->pair.due = DUE_PARKED;
    return false;
}

static bool vacate_or_tell(struct span *span)
{
    if (UNLIKELY(span->pair.due != UINT64_MAX)) return tell_double(span);
    return heap_vacate(span), true;
}

/* A medium span waits in line until more of its few blocks are free; small ones so held 1.3 of the memory (figures: ../README.md). */
static void put_in_line(struct heap *heap, struct span *span, uint64_t word)
{
    take_back(span, word);
    list_remove(&span->node);
    (span_is_small(span) ? list_push_front : list_push_back)(&heap->available[span_desc(span)->class], &span->node);
}

static void make_available(struct heap *heap, struct span *span, uint64_t word)
{
    put_in_line(heap, span, word);
    if (span->pair.due == UINT64_MAX) heap_vacate(span);
}

/* Whether nothing is left to do with a block of a list of the heap's: another's is sent to it. One that was freed twice, and whose span is gone, is told. */
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

/* Blocks that a list began with, of one span of the heap's and as free left them. They move at once, for their links do not depend on where they are. */
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

/* Before all of a list is sent home: with a block on it twice it goes round, and its spans would count the same blocks again and again. Where it breaks
 * off is told by who comes there. */
static bool ends_or_tell(struct block **list, unsigned class)
{
    unsigned left = LIST_MAX;
    for (const struct block *at = *list; at && left && leads_on(at, class); at = block_next(at)) left--;
    const struct block *block = LIKELY(left) ? NULL : find_double(*list, true);
    if (LIKELY(!block || !block_is_sound(block))) return true;
    crime_report("free()", &(struct evidence){CRIME_DOUBLE, block, block, class_table[class].size});
    return *list = NULL, false;
}

/* An available span of whose blocks none is on a list of the class's: what is freed of it goes there from now on. If one is at home and was handed out
 * all the same, for it had been freed twice, the list there breaks off. */
static bool detach_or_tell(struct span *span)
{
    uint64_t weight = 0, whole = heap_due(span) - span->pair.due;
    const struct block *at = span->pair.head;
    for (; at && weight < whole && block_leads_within(at, SLICE_SIZE); at = block_next(at)) weight += (uintptr_t)at;
    if (UNLIKELY(at || weight != whole)) return tell_double(span);
    return span_repoint(span, &span->pair), true;
}

/* Whether none of the span's is on the rest of a list, as far as a short look tells: there will be another, with less on the list. */
static const unsigned GOES_HOME = 32, ALL = ~0U; /* blocks of a list */
static bool is_last_of(const struct span *span, const struct block *rest)
{
    const struct desc *desc = span_desc(span);
    unsigned left = 2 * GOES_HOME;
    while (rest && left-- && range.table[range_index(rest)].start != desc->start && leads_on(rest, desc->class)) rest = block_next(rest);
    return !rest;
}

/* Puts a run where it belongs, and, if it may be, detaches its span with the last of its blocks. False: a block came twice. */
static bool put_home(struct heap *heap, struct span *span, struct run run, const struct block *rest, bool detaches)
{
    if (span_state(span) == SPAN_FULL) put_in_line(heap, span, remote_take(span, false));
    span->pair.head = put_run(run, span->pair.head);
    if (bits_subtract(&span->pair.due, run.weight)) return vacate_or_tell(span);
    if (!detaches || span_desc(span)->pair == &span->pair || !is_last_of(span, rest)) return true;
    return detach_or_tell(span);
}

/* So many blocks of a list of the class's go to their spans, which are attached or others'. Those of the current span, of which there may be more than
 * of others, come back to its list; or, if all that are listed go but these, to where they wait, and the spans are detached. Returns how many went. */
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

/* After so many frees, in which the class's list has not been empty: what was on it at the last review has not been wanted since, and some of it goes
 * home. Meanwhile it waits where the current span's own list would be; refill_remote takes it back. When all has gone, and still nobody wants any, the
 * thread frees in bulk: then all goes at each review but the current span's, and their spans are detached. Returns whether any went. */
static bool review(struct heap *heap, unsigned class)
{
    struct span *current = heap->current[class];
    uint32_t bit = class < NSMALL ? 1U << class : 0;
    if (!(heap->attached & bit)) return false;
    struct block **list = &heap->pairs[class].head;
    if (!current) return heap->sated |= bit, send_home(heap, class, list, GOES_HOME, false);
    struct block **waits = &current->pair.head;
    if (heap->bulk & bit) return send_home(heap, class, list, ALL, true);
    unsigned ngone = send_home(heap, class, waits, GOES_HOME, false);
    if (*waits) heap->sated |= bit;
    else if (ngone && send_home(heap, class, list, GOES_HOME, false) < GOES_HOME) heap->bulk |= bit;
    else *waits = *list, *list = NULL;
    return ngone;
}

bool heaps_reuse;
void heap_reuse(struct heap *heap, bool reuses)
{
    heap->reuses = reuses;
    if (heap == heap_own()) thread.frees = reuses ? 0 : thread.heap;
    if (!reuses) return;
    __atomic_store_n(&heaps_reuse, true, __ATOMIC_RELAXED);
    __atomic_store_n(&heap->has_others, true, __ATOMIC_RELAXED);
    heap->attached = ~0U; /* small classes all: others' blocks are as those of attached spans */
    for (unsigned class = 0; class < NSMALL; class ++)
        if (heap->current[class]) heap_wind_up(heap, heap->current[class], &heap->pairs[class]);
}

/* What was due of the span has come. */
static void move(struct heap *heap, struct span *span, enum span_state state)
{
    struct pair *pair = span_desc(span)->pair;
    if (pair != &span->pair) {
        heap_wind_up(heap, span, pair);
        if (heap->emptied & heap_bit(span_desc(span)->class)) heap_end_current(heap, span);
    } else if (state == SPAN_FULL) make_available(heap, span, remote_take(span, false));
    else if (state == SPAN_AVAILABLE) vacate_or_tell(span);
}

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
        if (!twice && bits_subtract(&desc->pair->due, 1)) move(heap, span, span_state(span));
    }
}

SLOW void heap_event(void *block)
{
    const struct desc *desc = range.table + range_index(block);
    struct span *span = span_of_start(desc->start);
    struct heap *heap = heap_own();
    enum span_state state = span_state(span);
    unsigned class = desc->class;
    bool is_others = heap_of_owner(PEEK(desc->owner)) != heap, is_its_own = !is_others && desc->pair == &span->pair;
    bool is_listed = class >= NSMALL && heap->pairs[class].head == block;
    if (is_listed) heap->nhad += PATROL_EVERY, heap->pairs[class].left = PATROL_EVERY; /* a look at what is dirty is all that is due */
    heap_enter(heap);
    if (is_others && !is_listed) heap_wind_up(heap, span, &heap->pairs[class]);
    else if (!is_listed) move(heap, span, state);
    if (is_listed || (state == SPAN_CURRENT && !(heap->reuses && class < NSMALL))) heap_patrol_at_next(heap);
    else if ((state == SPAN_AVAILABLE || !is_its_own) && review(heap, class))
        hurry(heap, &heap->pairs[class], GOES_HOME / 2, (uintptr_t)span_address(span));
    heap_leave(heap);
    heap_patrol_now_and_then(heap);
}

void heap_take_in_line(struct span *span)
{
    heap_take_in(span);
    if (span->pair.due == UINT64_MAX) heap_vacate(span);
}

/* A span of the heap's own that was on its stack. */
static void welcome(struct heap *heap, struct span *span)
{
    uint64_t word = atomic_load(&span->remote);
    do {
        if (span_state(span) != SPAN_FULL || !(weight_freed(span) || remote_has(word))) continue;
        make_available(heap, span, remote_take(span, true));
        return;
    } while (!atomic_compare_exchange_weak(&span->remote, &word, word & ~REMOTE_NOTIFIED));
    /* It had been taken back, for its own sake, and perhaps let go again; and nobody has freed any of it since this look. */
    if (span_state(span) == SPAN_AVAILABLE && span->pair.due == DUE_PARKED) heap_vacate(span);
}

void heap_collect_woken(struct heap *heap)
{
    for (struct span *span = remote_take_woken(heap), *next; span; span = next) {
        next = span->woken_next;
        if (heap_of_span(span) == heap) welcome(heap, span);
        else remote_post(span);
    }
}

/* Of the class, those seen go to the back; and of what the heap has gathered. */
enum { NET_WORDS = 2 }; /* for each of the spans: of medium ones two */
void heap_draw_net(struct heap *heap, unsigned class)
{
    unsigned left = class < NSMALL ? 1 : 2;
    remote_flush(heap, UNLIKELY(limit_leaves() == 0) ? NPENDING : NET_WORDS * left);
    struct list *list = &heap->available[class];
    for (; left && !list_is_empty(list); left--) {
        struct span *span = container_of(list->next, struct span, node);
        list_remove(&span->node);
        list_push_back(list, &span->node);
        heap_take_in_line(span);
    }
}

void heap_drain(struct heap *heap, bool sheds)
{
    heap_enter(heap);
    large_give_kept(heap);
    heap_collect_woken(heap);
    for (unsigned class = NSMALL; class < NCLASSES; class ++)
        if (heap->pairs[class].head) heap_send_home(heap, class); /* most are empty when a thread ends */
    for (uint32_t left = heap->attached; left; left &= left - 1) {
        unsigned class = (unsigned)bits_lowest(left);
        if (heap->current[class]) send_home(heap, class, &heap->current[class]->pair.head, ALL, false);
        send_home(heap, class, &heap->pairs[class].head, ALL, false);
    }
    if (sheds) heap_shed(heap, true);
    remote_flush(heap, NPENDING);
    heap_reuse(heap, false);
    __atomic_store_n(&heap->has_others, false, __ATOMIC_RELAXED);
    heap->sated = heap->nhad = heap->nothers = 0;
    for (unsigned class = 0; class < NCLASSES; class ++)
        for (struct list *node = heap->available[class].next, *next; node != &heap->available[class]; node = next) {
            next = node->next;
            heap_take_in_line(container_of(node, struct span, node));
        }
    heap_leave(heap);
}
