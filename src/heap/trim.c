/* trim.c - what is free inside spans that are in use.
 *
 * Blocks that are freed here and there leave their spans in use, and those their pages: of a GiB in blocks of 1 to 32 KiB, nine of
 * ten freed at random, 8.9 times what is live; without the pages on which only free blocks lie, 1.2. Those of medium blocks can go,
 * for nothing is written into one that is free but on no list. Small ones hold their links, and seldom leave a page alone.
 *
 * malloc_trim gives back those of the spans that are current or available; and who allocates looks at a few spans now and then, and
 * gives back those of one whose free blocks are the same as some seconds ago. A heap's blocks are at its thread's disposal at any time, so
 * only that thread does either. */
#include "../base/bits.h"
#include "../os/map.h"
#include "block.h"

/* In ticks (bits.h): 4 to 8 s, after which the 20 us of page faults that a span costs are nothing; and a quarter to half a millisecond, which
 * is as long as anybody waits. */
static const uint64_t REST = (uint64_t)1 << 34, TURN = (uint64_t)1 << 20;
enum { AT_ONCE = 12 }; /* lists of medium blocks: a quarter of them */

void heap_look_at_list(struct heap *heap, unsigned class)
{
    struct pair *list = &heap->pairs[class];
    uint16_t head = (uint16_t)((uintptr_t)list->head / GRANULE);
    if (list->head && list->seen == head) heap_enter(heap), heap_send_home(heap, class), list->room = 0, heap_leave(heap);
    list->seen = head;
}

static size_t discard(const struct span *span, uint64_t bits)
{
    size_t size = span_desc(span)->size, nbytes = 0, blocks = (uintptr_t)span_blocks(span);
    while (bits) {
        unsigned first = (unsigned)bits_lowest(bits), end = first;
        for (; end < MEDIUM_CAPACITY && bits >> end & 1; end++) bits ^= (uint64_t)1 << end;
        size_t from = round_up(blocks + first * size, PAGE), to = (blocks + end * size) / PAGE * PAGE;
        if (from >= to || !os_discard((void *)from, to - from)) continue;
        range_forgo_huge(range_index((void *)from));
        nbytes += to - from;
    }
    return nbytes;
}

/* With the blocks out of reach meanwhile. */
static size_t trim_span(struct heap *heap, const struct span *span)
{
    struct pair *pair = span_desc(span)->pair;
    uint64_t bits = pair->bits;
    heap_enter(heap);
    pair_set_bits(pair, 0);
    size_t nbytes = discard(span, bits);
    pair_set_bits(pair, pair->bits | bits);
    heap_leave(heap);
    return nbytes;
}

size_t heap_trim(struct heap *heap)
{
    size_t nbytes = 0;
    heap_drain(heap, true);
    for (unsigned class = NSMALL; class < NCLASSES; class ++) {
        if (heap->current[class]) nbytes += trim_span(heap, heap->current[class]);
        list_for_each (node, &heap->available[class]) nbytes += trim_span(heap, container_of(node, struct span, node));
    }
    return nbytes;
}

/* One that is owned and has one of these states stays so until its owner, who calls, changes it. */
static bool is_trimmed_by(const struct heap *heap, const struct span *span)
{
    enum span_state state = span_state(span);
    return (state == SPAN_CURRENT || state == SPAN_AVAILABLE) && PEEK(span_desc(span)->owner) == heap_owner(heap, NSMALL);
}

static void look(struct heap *heap, struct span *span, uint64_t now)
{
    uint64_t bits = span_desc(span)->pair->bits;
    if (bits != span->seen) span->seen = bits, span->seen_since = now;
    else if (span->seen_since && (int64_t)(now - span->seen_since) > (int64_t)REST) {
        span->seen_since = 0;                                                       /* until something comes or goes */
        if (__builtin_popcountl(bits) >= span->capacity / 4) trim_span(heap, span); /* less is not worth a huge page */
    }
}

/* A sixteenth of the time at most, and at the end of a round none for a quarter of REST. */
void heap_patrol(struct heap *heap)
{
    uint64_t start = bits_ticks(), now = start;
    size_t at = heap->patrol_at;
    for (unsigned k = 0; k < AT_ONCE; k++) heap_look_at_list(heap, NSMALL + (heap->nslow / PATROL_ROADS * AT_ONCE + k) % (NCLASSES - NSMALL));
    purge_if_due();
    if (heap->patrol_due - start < REST) return;
    for (; at < range_limit() && now - start < TURN; now = bits_ticks()) {
        struct span *span = range.records + at;
        if (is_trimmed_by(heap, span)) look(heap, span, start);
        at += max_size(span_nslices(span), 1);
    }
    bool is_round = at >= range_limit();
    heap->patrol_at = is_round ? 0 : at;
    heap->patrol_due = now + (is_round ? REST / 4 : 16 * (now - start));
}
