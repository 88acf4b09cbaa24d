/* medium.c - blocks of 36 to 256 KiB: spans of 8 or 16 blocks, a bit for each, nothing inside a block.
 *
 *      bits.free    bit k set: block k is free and its owner knows it          owner only
 *      bits.clean   bit k set: free, and reads zero: never handed out          owner only; subset of free
 *      remote       payload: blocks freed by other threads                     remote.h, with the set as payload
 *
 * A second free is seen at once: the bit is set already, here or in the remote word. Law: free & remote == 0. */
#include "remote.h"

static uint64_t all_of(const struct span *span) { return ((uint64_t)1 << span->capacity) - 1; }
static bool is_all_free(const struct span *span) { return span->bits.free == all_of(span); }
static struct list *list_of(struct heap *heap, const struct span *span) { return &heap->available[span_desc(span)->class]; }

/* Others may look whether a block is free already: a double free of theirs is told at once. */
static void set_free(struct span *span, uint64_t bits) { __atomic_store_n(&span->bits.free, bits, __ATOMIC_RELAXED); }

static void release(struct heap *heap, struct span *span)
{
    if (heap->spare == span) heap->spare = NULL;
    list_remove(&span->node);
    heap_release(span);
}

/* All of it is free. One such span is kept, so that a lone block that comes and goes costs no span each time. */
static void retire(struct heap *heap, struct span *span)
{
    if (remote_load(span) & REMOTE_NOTIFIED) return;    /* given back when it is taken off the stack */
    struct span *before = heap->spare;
    heap->spare = span;
    if (before && before != span) release(heap, before), heap->spare = span;
}

static void drain(struct heap *heap, struct span *span, bool off_stack)
{
    uint64_t word = remote_take(span, off_stack);
    set_free(span, span->bits.free | remote_payload(word));
    if (word & REMOTE_FULL) {
        span_set_state(span, SPAN_AVAILABLE);
        list_push_front(list_of(heap, span), &span->node);
    }
}

void medium_welcome(struct heap *heap, struct span *span)
{
    drain(heap, span, true);
    if (is_all_free(span)) retire(heap, span);
}

/* Nothing left as far as the owner knows: looks at what others freed, else lets the span go. */
static bool is_exhausted(struct heap *heap, struct span *span)
{
    if (span->bits.free) return false;
    if (remote_count(remote_load(span))) {
        drain(heap, span, false);
        return false;
    }
    list_remove(&span->node);
    span_set_state(span, SPAN_FULL);
    if (!remote_let_go(span, 1)) {
        span_set_state(span, SPAN_AVAILABLE);
        list_push_front(list_of(heap, span), &span->node);
        drain(heap, span, false);
        return false;
    }
    return true;
}

static struct span *add_fresh(struct heap *heap, unsigned class)
{
    struct span *span = heap_adopt(heap, class);
    if (!span) {
        if (!(span = heap_fresh(heap, class))) return NULL;
        set_free(span, all_of(span));
        span->bits.clean = span->is_clean ? span->bits.free : 0;
    }
    list_push_front(&heap->available[class], &span->node);
    return span;
}

static struct span *find(struct heap *heap, unsigned class)
{
    struct list *list = &heap->available[class];
    for (int round = 0; round < 2; round++) {
        while (!list_is_empty(list)) {
            struct span *span = container_of(list->next, struct span, node);
            if (!is_exhausted(heap, span)) return span;
        }
        heap_collect_woken(heap);
    }
    struct span *span;
    do span = add_fresh(heap, class);
    while (span && is_exhausted(heap, span));
    return span;
}

void *medium_alloc(struct heap *heap, unsigned class, bool *is_zero)
{
    struct span *span = find(heap, class);
    if (!span) return NULL;
    if (heap->spare == span) heap->spare = NULL;
    uint64_t used_before = span->bits.free & ~span->bits.clean;     /* resident memory first */
    unsigned k = (unsigned)__builtin_ctzl(used_before ? used_before : span->bits.free);
    uint64_t bit = (uint64_t)1 << k;
    *is_zero = (span->bits.clean & bit) != 0;
    set_free(span, span->bits.free & ~bit);
    span->bits.clean &= ~bit;
    return span_address(span) + (size_t)k * span_desc(span)->size;
}

bool medium_free(struct heap *heap, struct span *span, void *block)
{
    const struct desc *desc = span_desc(span);
    uint64_t bit = (uint64_t)1 << class_quotient((uintptr_t)block - desc->start, desc->reciprocal);
    if (span->bits.free & bit || remote_payload(remote_load(span)) & bit) return false;
    if (span_state(span) == SPAN_FULL) drain(heap, span, false);
    set_free(span, span->bits.free | bit);
    if (is_all_free(span)) retire(heap, span);
    return true;
}
