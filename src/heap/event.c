/* event.c - what becomes of frees: what happens when `due` of a span runs out, and what is emptied.
 *
 * An event is `due` of a span underflowing. FULL: enough frees that it is worth allocating from again, so AVAILABLE. AVAILABLE:
 * the last block came back, so it is given back. CURRENT, or attached: so many frees onto the class's list, which is reviewed.
 * What other threads have freed wakes its span instead (remote.h); where that is too little, refills draw it in, a few spans at a
 * time.
 *
 * By weight (span.h), with start the span's address, far above the size of a span, and n blocks of it,
 *
 *      due = n * start - 1             underflows at the n-th free, whichever blocks they are
 *      due = sum of addresses - 1      underflows when all of these blocks have come, and is then exactly -1; if it
 *                                      underflows to anything else, one of them came twice
 *
 * Law: AVAILABLE: due == weight of the blocks out - 1, or parked if none is.
 * What becomes of frees onto the lists of classes, those of attached spans and of medium blocks, is in listed.c. */
#include "event.h"
#include "again.h"
#include "../guard/crime.h"
#include "../os/options.h"
#include "large.h"

#include <limits.h>

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
        /* block_is_sound's other ways cost exchange 1.08, producer-consumer 1.13 of the time */
        if (UNLIKELY(block_next(block) != NULL)) {
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

/* A bit that is set already was freed by the owner, and by another thread. */
static uint64_t absorb_medium(struct span *span, struct pair *pair, uint64_t bits)
{
    uint64_t twice = (pair->bits | listed_bits(span, bits)) & bits;
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
    class_count(span_desc(span)->class, -1);
    /* no link in what malloc gives */
    if (UNLIKELY(options.mode == MODE_HARDENED) && span_is_small(span)) __builtin_memset(span_blocks(span), 0, carved);
    struct heap *heap = heap_of_span(span);
    size_t nslices = span_nslices(span), ntouched = span->is_clean ? (end + SLICE_SIZE - 1) >> SLICE_SHIFT : nslices;
    bool may_be_kept = ntouched == nslices && heap && heap == heap_own() && options.mode == MODE_FAST;
    span_blank(span);
    if (!may_be_kept || !again_has_room_for_blocks(heap, nslices)) return span_give(span, ntouched);
    span->nbytes = 0; /* no large block's */
    again_put(heap, span, nslices);
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

/* Of an attached one some blocks are free at home, and some on the class's list. Of one that was freed there and here the span
 * knows once, and would go while that block is in use, or on the list. */
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

/* A span of the class has been given back, a medium one and the second since malloc looked for one: its thread frees what it has.
 * So the current one goes, too, when it is empty, at which nobody else would look. */
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

COLD bool event_tell_double(struct span *span)
{
    struct block *gone = heap_find_gone(span), *block = gone ? gone : listed_find_double(span->pair.head, false);
    crime_report("free()", &(struct evidence){CRIME_DOUBLE, block, block, span_desc(span)->size});
    list_remove(&span->node);
    span_repoint(span, &span->pair);
    span_set_state(span, SPAN_LOST);
    span->pair.due = DUE_PARKED;
    return false;
}

bool event_vacate_or_tell(struct span *span)
{
    if (UNLIKELY(span->pair.due != UINT64_MAX)) return event_tell_double(span);
    return heap_vacate(span), true;
}

/* A medium span waits in line until more of its few blocks are free; small ones so held 1.3 of the memory (figures:
 * ../README.md). */
void event_put_in_line(struct heap *heap, struct span *span, uint64_t word)
{
    take_back(span, word);
    list_remove(&span->node);
    (span_is_small(span) ? list_push_front : list_push_back)(&heap->available[span_desc(span)->class], &span->node);
}

static void make_available(struct heap *heap, struct span *span, uint64_t word)
{
    event_put_in_line(heap, span, word);
    if (span->pair.due == UINT64_MAX) heap_vacate(span);
}

void event_move(struct heap *heap, struct span *span)
{
    enum span_state state = span_state(span);
    struct pair *pair = span_desc(span)->pair;
    if (pair != &span->pair) {
        heap_wind_up(heap, span, pair);
        if (heap->emptied & heap_bit(span_desc(span)->class)) heap_end_current(heap, span);
    } else if (state == SPAN_FULL) make_available(heap, span, remote_take(span, false));
    else if (state == SPAN_AVAILABLE) event_vacate_or_tell(span);
}

SLOW void heap_event(void *block)
{
    const struct desc *desc = range.table + range_index(block);
    struct span *span = span_of_start(desc->start);
    struct heap *heap = heap_own();
    enum span_state state = span_state(span);
    unsigned class = desc->class, nsoon;
    bool is_others = heap_of_owner(PEEK(desc->owner)) != heap, is_its_own = !is_others && desc->pair == &span->pair;
    bool is_listed = class >= NSMALL && heap->pairs[class].head == block;
    /* a look at what is dirty is all that is due */
    if (is_listed) heap->nhad += PATROL_EVERY, heap->pairs[class].left = PATROL_EVERY;
    heap_enter(heap);
    if (is_others && !is_listed) heap_wind_up(heap, span, &heap->pairs[class]);
    else if (!is_listed) event_move(heap, span);
    if (is_listed || (state == SPAN_CURRENT && !(heap->reuses && class < NSMALL))) heap_patrol_at_next(heap);
    else if ((state == SPAN_AVAILABLE || !is_its_own) && (nsoon = listed_review(heap, class)) != 0)
        hurry(heap, &heap->pairs[class], nsoon, (uintptr_t)span_address(span));
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

bool heap_collect_woken(struct heap *heap, unsigned most)
{
    struct span *span = remote_take_woken(heap);
    for (struct span *next; span && most; span = next, most--) {
        next = span->woken_next;
        if (LIKELY(heap_of_span(span) == heap)) welcome(heap, span);
        else remote_post(span);
    }
    remote_put_back(heap, span);
    return !span;
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
    heap_collect_woken(heap, UINT_MAX);
    listed_send_all_home(heap);
    if (sheds) heap_shed(heap, true);
    remote_flush(heap, NPENDING);
    heap_reuse(heap, false);
    __atomic_store_n(&heap->has_others, false, __ATOMIC_RELAXED);
    heap->sated = heap->nhad = heap->nothers = heap->row.nsame = 0;
    for (unsigned class = 0; class < NCLASSES; class ++) {
        /* its spans may go now: it no longer grows */
        heap->nfirst[class] = (uint8_t)min_size(heap->nfirst[class], heap_nfirst(class));
        for (struct list *node = heap->available[class].next, *next; node != &heap->available[class]; node = next) {
            next = node->next;
            heap_take_in_line(container_of(node, struct span, node));
        }
    }
    large_give_kept(heap);
    again_end(heap);
    heap_leave(heap);
}
