#include "remote.h"

/* Ripe spans on a sleeping owner's stack before somebody else fetches them: the walk over the stack is shared by so many. */
static const uint32_t RIPE_MAX = 16;
static const uint32_t FLUSH_EVERY = 1024; /* remote frees after which nothing stays pending */

enum outcome { PUSHED, WAKES, RETIRES, RIPENS };

/* The owner as it is while a block of the span is still out: after the push the span may be anybody's. */
static struct heap *owner_of(struct span *span) { return heap_of_owner(PEEK(span_desc(span)->owner)); }

static struct block *block_at(struct span *span, unsigned index)
{
    return (struct block *)(span_address(span) + (size_t)index * span_desc(span)->size);
}

static unsigned index_of(struct span *span, const void *block)
{
    return class_quotient((uintptr_t)block - (uintptr_t)span_address(span), span_desc(span)->reciprocal);
}

/* What a push that leaves `count` blocks there asks of the pusher, by the flags before it; and the flags after it. */
static enum outcome outcome_of(uint64_t *flags, unsigned count, unsigned capacity, unsigned wake)
{
    if (!(*flags & REMOTE_FULL)) return PUSHED;
    if (*flags & REMOTE_NOTIFIED) return count == capacity ? RIPENS : PUSHED;
    if (count >= capacity) return *flags |= REMOTE_RETIRED, RETIRES;
    if (count >= wake) return *flags |= REMOTE_NOTIFIED, WAKES;
    return PUSHED;
}

void remote_post(struct span *span)
{
    struct heap *heap = owner_of(span);
    struct span *top = atomic_load_explicit(&heap->woken, memory_order_relaxed);
    do span->woken_next = top;
    while (!atomic_compare_exchange_weak_explicit(&heap->woken, &top, span, memory_order_release, memory_order_relaxed));
}

struct span *remote_take_woken(struct heap *heap)
{
    if (!atomic_load_explicit(&heap->woken, memory_order_relaxed)) return NULL;
    return atomic_exchange_explicit(&heap->woken, NULL, memory_order_acquire);
}

static unsigned count_of(const struct span *span, uint64_t word)
{
    bool is_small = span_desc(span)->class < NSMALL;
    return is_small ? remote_count(word) : (unsigned)__builtin_popcountl(remote_bits(word));
}

/* The blocks of a FULL, NOTIFIED span that was taken off a stack, if all are free: then it is ours to give back. */
static bool retire_ripe(struct span *span)
{
    uint64_t word = remote_load(span);
    while ((word & REMOTE_FULL) && count_of(span, word) == span->capacity)
        if (atomic_compare_exchange_weak_explicit(&span->remote, &word, (word | REMOTE_RETIRED) & ~REMOTE_NOTIFIED,
                                                  memory_order_acq_rel, memory_order_relaxed))
            return true;
    return false;
}

/* The owner may sleep for ever: fetches its woken spans and gives back those that are all free. */
static COLD void steal(struct heap *heap)
{
    atomic_store_explicit(&heap->nripe, 0, memory_order_relaxed);
    for (struct span *span = remote_take_woken(heap), *next; span; span = next) {
        next = span->woken_next;
        if (retire_ripe(span)) heap_release(span);
        else remote_post(span);
    }
}

static void settle(struct span *span, enum outcome outcome, struct heap *owner)
{
    switch (outcome) {
    case PUSHED: break;
    case WAKES: remote_post(span); break;
    case RETIRES: heap_release(span); break;
    case RIPENS:
        if (atomic_fetch_add_explicit(&owner->nripe, 1, memory_order_relaxed) + 1 >= RIPE_MAX) steal(owner);
        break;
    }
}

/* Posts a chain of n blocks with one compare-and-swap. */
static void push(struct span *span, struct block *first, struct block *last, unsigned n)
{
    unsigned capacity = span->capacity, wake = span_wake(span), index = index_of(span, first);
    struct heap *owner = owner_of(span);
    uint64_t old = remote_load(span), flags;
    enum outcome outcome;
    do {
        unsigned count = remote_count(old) + n;
        block_link(last, remote_has(old) ? block_at(span, remote_first(old)) : NULL);
        flags = old & REMOTE_FLAGS;
        outcome = outcome_of(&flags, count, capacity, wake);
        flags |= index | (uint64_t)count << 16;
    } while (!atomic_compare_exchange_weak_explicit(&span->remote, &old, flags, memory_order_acq_rel, memory_order_relaxed));
    if (UNLIKELY(outcome != PUSHED)) settle(span, outcome, owner);
}

bool remote_free_medium(struct span *span, unsigned k)
{
    if (UNLIKELY(remote_is_free_at_owner(span, k))) return false;
    unsigned capacity = span->capacity, wake = span_wake(span);
    struct heap *owner = owner_of(span);
    uint64_t old = remote_load(span), flags, bit = (uint64_t)1 << k;
    enum outcome outcome;
    do {
        if (old & bit) return false;
        uint64_t bits = remote_bits(old) | bit;
        flags = old & REMOTE_FLAGS;
        outcome = outcome_of(&flags, (unsigned)__builtin_popcountl(bits), capacity, wake);
        flags |= bits;
    } while (!atomic_compare_exchange_weak_explicit(&span->remote, &old, flags, memory_order_acq_rel, memory_order_relaxed));
    if (outcome != PUSHED) settle(span, outcome, owner);
    return true;
}

static struct pair *pair_of(const struct span *span) { return __atomic_load_n(&span_desc(span)->pair, __ATOMIC_ACQUIRE); }
static bool is_set(const struct pair *pair, unsigned k) { return __atomic_load_n(&pair->bits, __ATOMIC_ACQUIRE) >> k & 1; }

/* The bit was seen set, perhaps of another span that has come to the same pair meanwhile. Between two looks at an even nturns
 * nothing has come or gone. */
static COLD bool is_surely_free(struct span *span, unsigned k)
{
    struct heap *owner = owner_of(span);
    uint32_t turns = atomic_load_explicit(&owner->nturns, memory_order_acquire);
    struct pair *pair = pair_of(span);
    bool is_its = pair == &span->pair || pair == &owner->pairs[span_desc(span)->class], is_free = is_set(pair, k);
    bool is_steady = turns % 2 == 0 && atomic_load_explicit(&owner->nturns, memory_order_acquire) == turns;
    return is_free && is_its && is_steady && owner_of(span) == owner;
}

bool remote_is_free_at_owner(struct span *span, unsigned k)
{
    return UNLIKELY(is_set(pair_of(span), k)) && is_surely_free(span, k);
}

static void post(struct pending *way)
{
    if (way->count) push(way->span, way->first, way->last, way->count);
    way->count = 0;
}

void remote_flush(struct heap *heap)
{
    for (int i = 0; i < NPENDING; i++) {
        post(&heap->pending[i]);
        heap->pending[i].span = NULL;
    }
}

/* A way keeps a span's blocks from the second consecutive free on: a lone free is posted at once. */
void remote_free(struct heap *heap, struct span *span, struct block *block)
{
    if (!heap) {
        push(span, block, block, 1);
        return;
    }
    heap_enter(heap);
    if (UNLIKELY(++heap->nremote % FLUSH_EVERY == 0)) remote_flush(heap);
    struct pending *way = &heap->pending[span_index(span) % NPENDING];
    if (way->span != span) {
        post(way);
        way->span = span;
        push(span, block, block, 1);
    } else {
        block_link(block, way->count ? way->first : NULL);
        if (!way->count) way->last = block;
        way->first = block;
        if (++way->count == PENDING_MAX) post(way);
    }
    heap_leave(heap);
}

uint64_t remote_take(struct span *span, bool off_stack)
{
    uint64_t old = remote_load(span), keep;
    do {
        keep = off_stack ? 0 : old & REMOTE_NOTIFIED;
    } while (!atomic_compare_exchange_weak_explicit(&span->remote, &old, keep, memory_order_acq_rel, memory_order_relaxed));
    return old;
}

bool remote_let_go(struct span *span)
{
    uint64_t old = remote_load(span);
    do {
        if (remote_has(old)) return false;
    } while (!atomic_compare_exchange_weak_explicit(&span->remote, &old, old | REMOTE_FULL, memory_order_release,
                                                    memory_order_relaxed));
    return true;
}
