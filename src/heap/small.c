/* small.c - the refill ladder: where a heap finds blocks of a small class when its list is empty.
 *
 *      malloc ---- block_pop ---- the list of the current span                          (block.h, the fast path)
 *      heap_refill
 *        young     a batch from the shared heap, for the first refills of a class: 100 idle threads do not cost a page
 *                  a class each
 *        remote    what other threads have freed into the current span
 *        carve     blocks of the current span that never were blocks
 *        available a span that has been current before and has had frees since
 *        woken     spans that other threads' frees made worth a look
 *        adopt     spans of threads that are gone
 *        fresh     a span from the page level
 *
 * The opposite way, frees: heap_event is the countdown of a span that is not current reaching zero. FULL: enough frees
 * that it is worth allocating from again, so AVAILABLE. AVAILABLE: the last block came back, so it is given back. */
#include "../os/report.h"
#include "remote.h"

enum {
    CARVE_FIRST = 4 << 10,  /* bytes: one page, so that a class used twice costs one fault */
    CARVE_BUSY = 16 << 10,  /* bytes: once the first is used up; 2 KiB to 32 KiB made no difference above 8 */
    YOUNG_BYTES = 512,      /* ... or as many of them as make so many bytes */
    FREES_TO_WAKE = 32,     /* frees after which a full span is available again, or capacity / 4 */
    PICK = 4,               /* available spans looked at for the fullest */
    NET_EVERY = 64,         /* refills after which the net is drawn: remote frees that crossed no threshold */
    NET_SPANS = 8,
};

static unsigned frees_to_wake(const struct span *span)
{
    return (unsigned)max_size(1, min_size(span->capacity / 4, FREES_TO_WAKE));
}

static unsigned class_of_span(const struct span *span) { return span_desc(span)->class; }
static struct heap *owner_of(const struct span *span) { return heap_of_identity(PEEK(span_desc(span)->owner)); }

/* The last block of a list of at most n. An unsound one is told, and ends the list: what is behind it is lost. */
static struct block *last_of(struct block *block, unsigned n)
{
    while (n-- > 1 && block->next) {
        if (!block_is_sound(block)) {
            report_crime("malloc()", &(struct evidence){CRIME_OVERWRITTEN, block, block, 0});
            block_link(block, NULL);
            break;
        }
        block = block->next;
    }
    return block;
}

/* Joins a chain of nchain blocks with the nhave of a list; the shorter one is walked to its end. */
static void join(struct pair *pair, unsigned nhave, struct block *chain, unsigned nchain)
{
    if (!nchain) return;
    if (!pair->head) {
        pair->head = chain;
    } else if (nhave < nchain) {
        block_link(last_of(pair->head, nhave), chain);
    } else {
        block_link(last_of(chain, nchain), pair->head);
        pair->head = chain;
    }
}

static struct block *chain_of(struct span *span, uint64_t word)
{
    if (!remote_count(word)) return NULL;
    return (struct block *)(span_address(span) + (size_t)remote_payload(word) * span_desc(span)->size);
}

/* Every block must be as free left it: a count that a double free has inflated is noticed here, before memory that
 * is still in use reaches another owner. In address order, so that the processor fetches ahead. */
static bool is_all_free(struct span *span)
{
    const struct desc *desc = span_desc(span);
    struct block *block = (struct block *)span_address(span);
    for (unsigned k = 0; k < span->capacity; k++, block = (struct block *)((char *)block + desc->size)) {
        if (LIKELY(block_is_sound(block))) continue;
        report_crime("free()", &(struct evidence){CRIME_OVERWRITTEN, block, block, desc->size});
        return false;   /* the span is never used again: a leak, not a second owner */
    }
    return true;
}

void heap_release(struct span *span)
{
    bool is_medium = class_of_span(span) >= NSMALL;
    if (!is_medium && UNLIKELY(!is_all_free(span))) {
        span_set_state(span, SPAN_LOST);
        return;
    }
    bool is_clean = is_medium && span->bits.clean == span->bits.free;
    span_blank(span);
    span_give(span, is_clean);
}

/* All blocks of an AVAILABLE span are free: it goes, unless it stands on a stack of woken spans. */
static void retire(struct span *span)
{
    span->pair.countdown = COUNTDOWN_PARKED;    /* says: empty, waiting to be taken off the stack */
    if (remote_load(span) & REMOTE_NOTIFIED) return;
    list_remove(&span->node);
    heap_release(span);
}

/* A FULL span, taken back with `word`: its blocks are nlocal frees of the owner's and the remote chain. */
static void make_available(struct heap *heap, struct span *span, unsigned nlocal, uint64_t word)
{
    unsigned n = nlocal + remote_count(word);
    join(&span->pair, nlocal, chain_of(span, word), remote_count(word));
    span->pair.countdown = span->capacity - n;
    span_set_state(span, SPAN_AVAILABLE);
    list_push_front(&heap->available[class_of_span(span)], &span->node);
    if (n >= span->capacity) retire(span);
}

COLD void heap_event(void *block)
{
    struct span *span = span_of_start(range.table[range_index(block)].start);
    struct heap *heap = owner_of(span);
    heap_enter(heap);
    if (span_state(span) == SPAN_FULL) make_available(heap, span, frees_to_wake(span), remote_take(span, false));
    else retire(span);
    heap_leave(heap);
}

/* Remote frees into an AVAILABLE span join its list. */
static void drain_available(struct span *span)
{
    if (!remote_count(remote_load(span))) return;
    uint64_t word = remote_take(span, false);
    unsigned n = remote_count(word);
    join(&span->pair, span->capacity - (unsigned)span->pair.countdown, chain_of(span, word), n);
    span->pair.countdown -= n;
    if (span->pair.countdown == 0) retire(span);
}

static void welcome_small(struct heap *heap, struct span *span)
{
    enum span_state state = span_state(span);
    if (state == SPAN_FULL) {
        uint64_t word = remote_take(span, true);
        make_available(heap, span, frees_to_wake(span) - (unsigned)span->pair.countdown, word);
        return;
    }
    atomic_fetch_and_explicit(&span->remote, ~REMOTE_NOTIFIED, memory_order_acquire);
    if (state == SPAN_AVAILABLE && span->pair.countdown == COUNTDOWN_PARKED) retire(span);
}

void heap_collect_woken(struct heap *heap)
{
    for (struct span *span = remote_take_woken(heap), *next; span; span = next) {
        next = span->woken_next;
        if (owner_of(span) != heap) remote_post(span);
        else if (class_of_span(span) >= NSMALL) medium_welcome(heap, span);
        else welcome_small(heap, span);
    }
}

/* Draws in what never crossed a threshold, a few spans of the class at a time; those seen go to the back. */
static void draw_net(struct heap *heap, unsigned class)
{
    struct list *list = &heap->available[class];
    for (int left = NET_SPANS; left && !list_is_empty(list); left--) {
        struct span *span = container_of(list->next, struct span, node);
        list_remove(&span->node);
        list_push_back(list, &span->node);
        drain_available(span);
    }
}

/* --- the ladder, from below --- */

/* Links [from, from + n blocks) in address order, the first on top, before `next`. */
static struct block *link_run(char *from, unsigned n, size_t size, struct block *next)
{
    for (char *at = from + (size_t)n * size; n--;) {
        at -= size;
        block_link((struct block *)at, next);
        next = (struct block *)at;
    }
    return next;
}

static bool carve(struct heap *heap, struct span *span)
{
    const struct desc *desc = span_desc(span);
    unsigned done = class_quotient(desc->carved, desc->reciprocal);
    if (done == span->capacity) return false;
    size_t bytes = done ? CARVE_BUSY : CARVE_FIRST;
    unsigned n = (unsigned)min_size(span->capacity - done, max_size(1, bytes / desc->size));
    struct pair *pair = &heap->pairs[desc->class];
    pair->head = link_run(span_address(span) + desc->carved, n, desc->size, NULL);
    span_carve(span, desc->carved + n * desc->size);
    return true;
}

/* The list of the span becomes the heap's own, and frees go there from now on. */
static void make_current(struct heap *heap, struct span *span, unsigned class)
{
    struct pair *pair = &heap->pairs[class];
    pair->head = span->pair.head;
    pair->countdown = COUNTDOWN_PARKED;
    heap->current[class] = span;
    span_repoint(span, pair);
    span_set_state(span, SPAN_CURRENT);
}

static bool refill_remote(struct heap *heap, struct span *span)
{
    if (!remote_count(remote_load(span))) return false;
    heap->pairs[class_of_span(span)].head = chain_of(span, remote_take(span, false));
    return true;
}

/* The current span is exhausted: everything that is the owner's is put in order, and then it is let go. False: frees
 * arrived in between, and it is current again. */
static bool let_go(struct heap *heap, struct span *span, unsigned class)
{
    unsigned wake = frees_to_wake(span);
    span->pair = (struct pair){NULL, wake};
    span_repoint(span, &span->pair);
    span_set_state(span, SPAN_FULL);
    heap->current[class] = NULL;
    if (remote_let_go(span, wake)) return true;
    make_current(heap, span, class);
    return !refill_remote(heap, span);
}

/* Blocks of an available span that are out, as far as its owner knows. */
static uint64_t live_in(const struct span *span)
{
    return span->pair.countdown == COUNTDOWN_PARKED ? 0 : span->pair.countdown;
}

/* The fullest of the first few, so that the others may become empty. */
static struct span *pick_available(struct heap *heap, unsigned class)
{
    struct span *best = NULL;
    int left = PICK;
    list_for_each(node, &heap->available[class]) {
        struct span *span = container_of(node, struct span, node);
        if (!best || live_in(span) > live_in(best)) best = span;
        if (--left == 0) break;
    }
    if (!best) return NULL;
    list_remove(&best->node);
    if (heap->spare == best) heap->spare = NULL;
    return best;
}

/* A span of the class out of a heap whose thread is gone; it changes owner. */
struct span *heap_adopt(struct heap *heap, unsigned class)
{
    struct heap *gone = heap_unpool();
    if (!gone) return NULL;
    heap_enter(gone);
    heap_collect_woken(gone);
    struct span *span = pick_available(gone, class);
    if (span) {
        /* A notifier still in flight posts it to either heap; the wrong one posts it on (heap_collect_woken). */
        span_hand_over(span, heap_identity(heap));
    }
    heap_leave(gone);
    heap_pool(gone);
    return span;
}

struct span *heap_fresh(struct heap *heap, unsigned class)
{
    struct span *span = span_take(class_table[class].nslices, 1, SPAN_AVAILABLE, false);
    if (!span) return NULL;
    span->capacity = class_table[class].capacity;
    span->pair = (struct pair){NULL, 0};
    atomic_store_explicit(&span->remote, 0, memory_order_relaxed);
    span_describe(span, class, heap_identity(heap), &span->pair);
    return span;
}

static struct span *next_span(struct heap *heap, unsigned class)
{
    struct span *span = pick_available(heap, class);
    if (span) return span;
    heap_collect_woken(heap);
    if ((span = pick_available(heap, class)) || (span = heap_adopt(heap, class))) return span;
    return heap_fresh(heap, class);
}

static bool refill_list(struct heap *heap, unsigned class)
{
    struct span *span = heap->current[class];
    if (span) {
        if (refill_remote(heap, span) || carve(heap, span)) return true;
        if (!let_go(heap, span, class)) return true;
    }
    if (++heap->nslow % NET_EVERY == 0) draw_net(heap, class);
    if (!(span = next_span(heap, class))) return false;
    make_current(heap, span, class);
    return heap->pairs[class].head || refill_remote(heap, span) || carve(heap, span);
}

static void *pop(struct heap *heap, unsigned class)
{
    struct block *block;
    struct pair *pair = &heap->pairs[class];
    for (;;) {
        if (!pair->head && !refill_list(heap, class)) return NULL;
        if (LIKELY(block_take(pair, &block))) return block;
        report_crime("malloc()", &(struct evidence){CRIME_OVERWRITTEN, block, block, class_table[class].size});
        pair->head = NULL;      /* what is behind it cannot be trusted: lost */
    }
}

/* A young heap's first blocks of a class come from spans that all young heaps share. */
static void *refill_young(struct heap *heap, unsigned class)
{
    unsigned n = (unsigned)min_size(YOUNG_BATCH, YOUNG_BYTES / class_table[class].size);
    struct heap *shared = heap_shared_take();
    struct block *block = pop(shared, class), *list = NULL;
    for (; block && n > 1; n--) {
        struct block *more = pop(shared, class);
        if (!more) break;
        block_link(more, list);
        list = more;
    }
    heap_shared_drop();
    heap->pairs[class].head = list;
    return block;
}

COLD void *heap_refill(struct heap *heap, unsigned class)
{
    if (UNLIKELY(heap->refills[class] < YOUNG_REFILLS) && !heap->pairs[class].head) {
        heap->refills[class]++;
        return refill_young(heap, class);
    }
    return pop(heap, class);
}

void heap_drain(struct heap *heap)
{
    heap_enter(heap);
    remote_flush(heap);
    heap_collect_woken(heap);
    for (unsigned class = 0; class < NSMALL; class++)
        for (struct list *node = heap->available[class].next, *next; node != &heap->available[class]; node = next) {
            next = node->next;
            drain_available(container_of(node, struct span, node));
        }
    heap_leave(heap);
}
