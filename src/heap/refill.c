/* refill.c - the ladder: where a heap finds blocks of a class when its pair is empty, and what becomes of frees.
 *
 *      malloc ---- block_pop ---- the pair of the current span                         (block.h, the fast path)
 *      heap_refill
 *        young     a batch from the shared heap, for the first refills of a class: 100 idle threads do not cost a page
 *                  a class each
 *        remote    what other threads have freed into the current span
 *        carve     blocks of the current span that never were blocks
 *        available a span that has been current before and has had frees since
 *        woken     spans that other threads' frees made worth a look
 *        adopt     a span of a thread that is gone, the last that went
 *        fresh     a span from the page level
 *
 * The opposite way, frees: an event is `due` of a span that is not current underflowing. FULL: enough frees that it is worth
 * allocating from again, so AVAILABLE. AVAILABLE: the last block came back, so it is given back.
 *
 * What a free takes off `due` is its weight: the block's address in a small span, 1 in a medium one. With start the
 * span's address (far above the size of a span) and n blocks of it,
 *
 *      due = n * start - 1             underflows at the n-th free, whichever blocks they are
 *      due = sum of addresses - 1      underflows when all of these blocks have come, and is then exactly -1; if it
 *                                      underflows to anything else, one of them came twice
 *
 * Laws: every span but a current one is carved whole; AVAILABLE: due == weight of the blocks out - 1, or parked if none is. */
#include "../guard/fill.h"
#include "../os/options.h"
#include "../os/report.h"
#include "large.h"
#include "remote.h"

enum {
    CARVE = 4 << 10, /* bytes: one page, so that a class used twice costs one fault; 16 KiB gained nothing and held 9 % more, */
    CARVE_USED = 16 << 10, /* but of a span that was in use before they cost none: bench_bulk -8 %, and no more with all 64 */
    YOUNG_BYTES = 256,     /* a young heap's batch is YOUNG_BATCH blocks, or as many as make so many bytes */
    PICK = 4,              /* available spans looked at for the fullest */
    NET_EVERY = 16,        /* spans looked for after which the net is drawn: remote frees that crossed no threshold */
    NET_SPANS = 2,
    NET_WORDS = 4,       /* of what the heap has gathered itself */
    PATROL_EVERY = 1024, /* frees into a current span: a free is 0.1 % slower for it */
};

static unsigned class_of_span(const struct span *span) { return span_desc(span)->class; }
static bool is_small(const struct span *span) { return class_of_span(span) < NSMALL; }

/* --- weights --- */

/* The least that a free of one of the span's blocks can weigh. */
static uint64_t unit(const struct span *span) { return is_small(span) ? (uintptr_t)span_address(span) : 1; }

/* All blocks together: n * start + size * (0 + 1 + ... + n - 1). */
static uint64_t weight_of_all(const struct span *span)
{
    uint64_t n = span->capacity, spread = span_desc(span)->size * (n * (n - 1) / 2);
    return n * unit(span) + (is_small(span) ? spread : 0);
}

/* Of a current span it means nothing, but that once in so many frees something else is done. */
static uint64_t due_while_current(const struct span *span) { return PATROL_EVERY * unit(span); }

static uint64_t due_at_wake(const struct span *span) { return span_wake(span) * unit(span) - 1; }

/* Frees that a FULL span's due has seen, in number and in weight. */
static uint64_t weight_freed(const struct span *span) { return due_at_wake(span) - span->pair.due; }
static unsigned count_freed(const struct span *span) { return (unsigned)(weight_freed(span) / unit(span)); }

unsigned heap_nout(const struct span *span)
{
    if (span_state(span) == SPAN_FULL) return span->capacity - count_freed(span);
    return span->pair.due == DUE_PARKED ? 0 : (unsigned)((span->pair.due + 1) / unit(span));
}

/* --- taking in what other threads have freed --- */

static bool is_block_of(const struct span *span, const struct block *block)
{
    return (uintptr_t)block - (uintptr_t)span_address(span) < span_nbytes(span) && desc_is_start(span_desc(span), block);
}

static void tell_overwritten(const char *entry, const struct block *block, size_t size)
{
    report_crime(entry, &(struct evidence){CRIME_OVERWRITTEN, block, block, size});
}

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
        if (UNLIKELY(!block_is_sound(block))) {
            tell_overwritten("malloc()", block, size);
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
    uint64_t twice = pair->bits & bits;
    if (UNLIKELY(twice)) remote_tell_twice(span, 0, twice);
    bits &= ~pair->bits;
    pair_set_bits(pair, pair->bits | bits);
    return (unsigned)__builtin_popcountl(bits);
}

/* Adds what a word of bits holds to a pair; returns its weight. */
static uint64_t absorb_word(struct span *span, struct pair *pair, unsigned word)
{
    uint64_t bits = remote_take_bits(span, word);
    size_t size = span_desc(span)->size;
    return is_small(span) ? absorb_small(size, pair, span_address(span) + word * 64 * size, bits)
                          : absorb_medium(span, pair, bits);
}

/* Adds all to the span's own, after a take that gave `taken`. From the end, so that the first block is on top. */
static uint64_t absorb(struct span *span, uint64_t taken)
{
    uint64_t weight = 0;
    if (remote_has(taken))
        for (unsigned word = remote_nwords(span); word--;) weight += absorb_word(span, &span->pair, word);
    return weight;
}

/* --- giving spans back --- */

static void give(struct span *span)
{
    const struct desc *desc = span_desc(span);
    size_t touched = ((size_t)desc->carved * desc->size + SLICE_SIZE - 1) >> SLICE_SHIFT;
    limit_refund(limit_charge_of(span));
    span_blank(span);
    span_give(span, span->is_clean ? touched : span_nslices(span));
}

/* Whether every block of a small span is as free left it: what was written into freed blocks meanwhile is told before they are
 * anybody else's. In address order, so that the processor fetches ahead. */
static bool is_all_sound(struct span *span)
{
    size_t size = span_desc(span)->size;
    char *block = span_address(span);
    for (unsigned k = 0; k < span->capacity; k++, block += size) {
        if (LIKELY(block_is_sound((struct block *)(void *)block))) continue;
        tell_overwritten("free()", (struct block *)(void *)block, size);
        return false;
    }
    return true;
}

void heap_release(struct span *span)
{
    if (is_small(span) && UNLIKELY(!is_all_sound(span))) span_set_state(span, SPAN_LOST);
    else give(span);
}

/* Remote frees into an AVAILABLE span join its own. */
static void take_in(struct span *span)
{
    if (remote_has(remote_load(span))) span->pair.due -= absorb(span, remote_take(span, false));
}

/* All blocks of an AVAILABLE span have come back: it goes, unless it stands on a stack of woken spans. */
static void retire(struct span *span)
{
    take_in(span);               /* what others have freed now was freed twice, and is told */
    span->pair.due = DUE_PARKED; /* says: nothing out, waiting to be taken off the stack */
    if (remote_load(span) & REMOTE_NOTIFIED) return;
    list_remove(&span->node);
    give(span);
}

/* The first block that a list meets twice: pushing a block a second time links it back to where it stood (Floyd). */
static struct block *find_double(const struct span *span, struct block *head)
{
    struct block *slow = head, *fast = head;
    do {
        for (int step = 0; step < 2; step++) {
            if (!fast || !is_block_of(span, fast) || !block_is_sound(fast)) return fast;
            fast = block_next(fast);
        }
        slow = block_next(slow);
    } while (slow != fast);
    for (slow = head; slow != fast; fast = block_next(fast)) slow = block_next(slow);
    return slow;
}

/* What is due underflowed, but not to -1: the frees were as many as the blocks, and not the same. */
static COLD void tell_double(struct span *span)
{
    struct block *block = find_double(span, span->pair.head);
    report_crime("free()", &(struct evidence){CRIME_DOUBLE, block, block, span_desc(span)->size});
    list_remove(&span->node);
    span_set_state(span, SPAN_LOST);
    span->pair.due = DUE_PARKED;
}

/* A FULL span, taken back with `word`. */
static void make_available(struct heap *heap, struct span *span, uint64_t word)
{
    uint64_t freed = weight_freed(span) + absorb(span, word);
    span->pair.due = weight_of_all(span) - freed - 1;
    span_set_state(span, SPAN_AVAILABLE);
    list_push_front(&heap->available[class_of_span(span)], &span->node);
    if (span->pair.due == UINT64_MAX) retire(span);
}

SLOW void heap_event(void *block)
{
    struct span *span = span_of_start(range.table[range_index(block)].start);
    struct heap *heap = heap_of_span(span);
    enum span_state state = span_state(span);
    heap_enter(heap);
    if (state == SPAN_FULL) make_available(heap, span, remote_take(span, false));
    else if (state == SPAN_CURRENT) heap->pairs[class_of_span(span)].due = due_while_current(span);
    else if (state == SPAN_AVAILABLE && LIKELY(span->pair.due == UINT64_MAX)) retire(span);
    else if (state == SPAN_AVAILABLE) tell_double(span);
    heap_leave(heap);
    heap_patrol(heap);
}

static void drain_available(struct span *span)
{
    take_in(span);
    if (span->pair.due == UINT64_MAX) retire(span);
}

/* A span of the heap's own that was on its stack. */
static void welcome(struct heap *heap, struct span *span)
{
    uint64_t word = atomic_load(&span->remote);
    do {
        if (span_state(span) != SPAN_FULL || !(count_freed(span) || remote_has(word))) continue;
        make_available(heap, span, remote_take(span, true));
        return;
    } while (!atomic_compare_exchange_weak(&span->remote, &word, word & ~REMOTE_NOTIFIED));
    /* It had been taken back, for its own sake, and perhaps let go again; and nobody has freed any of it since this look. */
    if (span_state(span) == SPAN_AVAILABLE && span->pair.due == DUE_PARKED) retire(span);
}

void heap_collect_woken(struct heap *heap)
{
    for (struct span *span = remote_take_woken(heap), *next; span; span = next) {
        next = span->woken_next;
        if (heap_of_span(span) == heap) welcome(heap, span);
        else remote_post(span);
    }
}

/* Draws in what never crossed a threshold, a few spans of the class at a time; those seen go to the back. */
static void draw_net(struct heap *heap, unsigned class)
{
    remote_flush(heap, UNLIKELY(limit_leaves() == 0) ? NPENDING : NET_WORDS);
    struct list *list = &heap->available[class];
    for (int left = NET_SPANS; left && !list_is_empty(list); left--) {
        struct span *span = container_of(list->next, struct span, node);
        list_remove(&span->node);
        list_push_back(list, &span->node);
        drain_available(span);
    }
}

void heap_drain(struct heap *heap)
{
    heap_enter(heap);
    large_give_kept(heap);
    remote_flush(heap, NPENDING);
    heap_collect_woken(heap);
    for (unsigned class = 0; class < NCLASSES; class ++)
        for (struct list *node = heap->available[class].next, *next; node != &heap->available[class]; node = next) {
            next = node->next;
            drain_available(container_of(node, struct span, node));
        }
    heap_leave(heap);
}

uint64_t heap_due(const struct span *span) { return weight_of_all(span) - 1; }

/* --- the ladder, from below --- */

/* Links [from, from + n blocks) in address order before `next`, the first on top. */
static struct block *link_run(char *from, unsigned n, size_t size, struct block *next)
{
    bool fills = options.mode == MODE_HARDENED;
    struct block *block;
    for (char *at = from + (size_t)n * size; n--; next = block) {
        block = (struct block *)(void *)(at -= size);
        block_link(block, next);
        if (UNLIKELY(fills)) fill_free(block, size);
    }
    return next;
}

/* The same of a span's first blocks, beginning inside: at 16 places of a page, by class. The first are what a small program uses over and
 * over, and those of all classes would meet in the same sets of the first-level cache: bench_bignum, 8 classes, 0.95 of the time on Zen 3. */
static struct block *link_first(char *from, unsigned n, size_t size, unsigned class)
{
    unsigned nbefore = n * (class * 5 % 16) / 16;
    return link_run(from + nbefore * size, n - nbefore, size, link_run(from, nbefore, size, NULL));
}

/* How many blocks are made next of what never was blocks. Of a page and more one by one, if they may read zero: calloc need not touch them. */
static unsigned batch(const struct span *span)
{
    const struct desc *desc = span_desc(span);
    size_t nbytes = span->is_clean ? CARVE : CARVE_USED;
    return (unsigned)min_size(span->capacity - desc->carved, max_size(1, nbytes / desc->size));
}

/* Blocks of the current span that never were blocks. Those that the limit does not allow never will be: a span that is let go is carved
 * whole. *is_zero: they read zero. */
static bool carve(struct heap *heap, struct span *span, bool *is_zero)
{
    const struct desc *desc = span_desc(span);
    unsigned done = desc->carved, n = batch(span);
    if (done && UNLIKELY(!limit_charge((size_t)n * desc->size, false))) /* fresh() has charged the first */
        __atomic_store_n(&span->capacity, done, __ATOMIC_RELAXED);
    if (done == span->capacity) return false;
    struct pair *pair = &heap->pairs[desc->class];
    char *from = span_address(span) + (size_t)done * desc->size;
    if (is_small(span)) pair->head = done ? link_run(from, n, desc->size, NULL) : link_first(from, n, desc->size, desc->class);
    else pair_set_bits(pair, (((uint64_t)1 << n) - 1) << done);
    *is_zero = span->is_clean && !is_small(span);
    span_carve(span, done + n);
    return true;
}

/* Makes that the span's pair. Whoever looks at another thread's (remote_is_free_at_owner) sees by nturns that it changes;
 * what is stored in between is stored with release. */
INLINE void turn(struct heap *heap, struct span *span, struct pair *pair, uint64_t bits, uint64_t due)
{
    uint32_t n = atomic_load_explicit(&heap->nturns, memory_order_relaxed);
    atomic_store_explicit(&heap->nturns, n + 1, memory_order_release);
    pair_set(pair, bits, due);
    span_repoint(span, pair);
    atomic_store_explicit(&heap->nturns, n + 2, memory_order_release);
}

/* The span's pair becomes the heap's, and frees go there from now on. */
static void make_current(struct heap *heap, struct span *span, unsigned class)
{
    struct pair *pair = &heap->pairs[class];
    if (class >= NSMALL) *heap_place(pair) = (struct place){span_address(span), class_table[class].size};
    heap->current[class] = span;
    turn(heap, span, pair, span->pair.bits, due_while_current(span));
    span_set_state(span, SPAN_CURRENT);
}

/* A word of bits at a time: what is linked is soon handed out, and warm. The sweep over the words begins when there is something, and must
 * come to its end before the span is let go. */
static bool refill_remote(struct heap *heap, struct span *span, unsigned class)
{
    struct pair *pair = &heap->pairs[class];
    unsigned nwords = remote_nwords(span);
    while (!pair->bits) {
        if (span->swept < nwords) {
            absorb_word(span, pair, span->swept++);
            continue;
        }
        if (!remote_has(remote_load(span))) return false;
        remote_take(span, false);
        span->swept = 0;
    }
    return true;
}

/* The current span is exhausted: everything that is the owner's is put in order, and then it is let go. False: frees
 * arrived in between, and it is current again. */
static bool let_go(struct heap *heap, struct span *span, unsigned class)
{
    for (;;) {
        turn(heap, span, &span->pair, 0, due_at_wake(span));
        span_set_state(span, SPAN_FULL);
        heap->current[class] = NULL;
        if (remote_let_go(span)) return true;
        make_current(heap, span, class);
        if (refill_remote(heap, span, class)) return false; /* else SOME came late, of bits that had been taken */
    }
}

/* What is out, for comparing spans of a class: addresses are so much larger than spans that sums compare as counts do. */
static uint64_t out_of(const struct span *span) { return span->pair.due == DUE_PARKED ? 0 : span->pair.due; }

/* The fullest of the first few, so that the others may become empty. */
static struct span *pick_available(struct heap *heap, unsigned class)
{
    struct span *best = NULL;
    int left = PICK;
    list_for_each (node, &heap->available[class]) {
        struct span *span = container_of(node, struct span, node);
        if (!best || out_of(span) > out_of(best)) best = span;
        if (--left == 0) break;
    }
    if (best) list_remove(&best->node);
    return best;
}

/* A span of the class out of a heap whose thread is gone; it changes owner. A notifier still in flight posts it to either heap;
 * the wrong one posts it on (heap_collect_woken). */
static struct span *adopt(struct heap *heap, unsigned class)
{
    struct heap *gone = heap_unpool();
    if (!gone) return NULL;
    heap_enter(gone);
    heap_collect_woken(gone);
    struct span *span = pick_available(gone, class);
    if (span) span_hand_over(span, heap_owner(heap, class));
    heap_leave(gone);
    heap_pool(gone);
    return span;
}

static struct span *fresh(struct heap *heap, unsigned class)
{
    large_give_kept(heap);
    struct span *span = span_take(class_table[class].nslices, 1, SPAN_AVAILABLE, false);
    if (!span) return NULL;
    remote_begin(span, class_table[class].capacity);
    span->swept = UINT8_MAX, span->seen = 0;
    pair_set(&span->pair, 0, DUE_PARKED);
    span_describe(span, class, heap_owner(heap, class), &span->pair);
    if (LIKELY(limit_charge((size_t)batch(span) * class_table[class].size, false))) return span;
    return give(span), NULL;
}

static struct span *next_span(struct heap *heap, unsigned class)
{
    struct span *span = pick_available(heap, class);
    if (span) return span;
    heap_collect_woken(heap);
    if ((span = pick_available(heap, class)) || (span = adopt(heap, class))) return span;
    return fresh(heap, class);
}

static bool fill_from(struct heap *heap, struct span *span, unsigned class, bool *is_zero)
{
    return refill_remote(heap, span, class) || carve(heap, span, is_zero) || !let_go(heap, span, class);
}

/* Fills the class's pair, which is empty; *is_zero: with blocks that read zero. One span may not be enough: it was woken for
 * nothing if the count was too high. */
static bool fill(struct heap *heap, unsigned class, bool *is_zero)
{
    struct span *span = heap->current[class];
    while (!span || !fill_from(heap, span, class, is_zero)) {
        if (++heap->nslow % NET_EVERY == 0) draw_net(heap, class);
        if (!(span = next_span(heap, class))) return false;
        if (class >= NSMALL) take_in(span); /* as long as it has its own bits, one that both have tells of a double free */
        make_current(heap, span, class);
    }
    return true;
}

static void *pop_small(struct heap *heap, unsigned class, bool *is_zero)
{
    struct pair *pair = &heap->pairs[class];
    struct block *block;
    while (pair->head || fill(heap, class, is_zero)) {
        if (LIKELY(block_take(pair, &block))) return block;
        tell_overwritten("malloc()", block, class_table[class].size);
        pair->head = NULL; /* what is behind it cannot be trusted: lost */
    }
    return NULL;
}

static void *pop_medium(struct heap *heap, unsigned class, bool *is_zero)
{
    struct pair *pair = &heap->pairs[class];
    if (!pair->bits && !fill(heap, class, is_zero)) return NULL;
    uint64_t k = bits_lowest(pair->bits);
    pair_set_bits(pair, pair->bits & (pair->bits - 1));
    return heap_place(pair)->base + k * class_table[class].size;
}

static void *pop(struct heap *heap, unsigned class, bool *is_zero)
{
    return class < NSMALL ? pop_small(heap, class, is_zero) : pop_medium(heap, class, is_zero);
}

/* A young heap's first blocks of a class come from spans that all young heaps share. */
static void *refill_young(struct heap *heap, unsigned class, bool *is_zero)
{
    unsigned n = (unsigned)min_size(YOUNG_BATCH, YOUNG_BYTES / class_table[class].size);
    heap->refills[class]++;
    struct heap *shared = heap_shared_take();
    struct block *block = pop(shared, class, is_zero), *list = NULL;
    struct pair *pair = &shared->pairs[class];
    /* Not of the next span: a list is of one slice. */
    for (struct block *more; block && n > 1 && pair->head && block_take(pair, &more); n--) {
        block_link(more, list);
        list = more;
    }
    heap_shared_drop();
    if (class < NSMALL) heap->pairs[class].head = list;
    return block;
}

SLOW void *heap_refill(struct heap *heap, unsigned class, bool *is_zero)
{
    bool is_young = UNLIKELY(heap->refills[class] < YOUNG_REFILLS) && !heap->pairs[class].bits;
    return is_young ? refill_young(heap, class, is_zero) : pop(heap, class, is_zero);
}
