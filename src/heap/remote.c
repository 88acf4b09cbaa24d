#include "remote.h"
#include "../guard/crime.h"

/* Slices of ripe spans on a sleeping owner's stack before somebody else fetches them, and an eighth of what has been left there:
 * the walk over the stack is shared by as many. */
static const uint32_t RIPE_MAX = 16;

static const uint32_t ROOM_MIN = PENDING_MAX / 16; /* bytes; larger blocks are posted at once */

enum outcome { PUSHED, FIRST, WAKES, RETIRES, RIPENS };

static bool are_all_set(struct span *span)
{
    unsigned capacity = __atomic_load_n(&span->capacity, __ATOMIC_ACQUIRE), last = (capacity - 1) / 64;
    for (unsigned word = 0; word < last; word++)
        if (~atomic_load(remote_word(span, word))) return false;
    return !(~atomic_load(remote_word(span, last)) << (63 - (capacity - 1) % 64));
}

/* What a word that says FULL asks of whoever adds n to its count; *after: the word with all that. */
static enum outcome outcome_of(struct span *span, uint64_t word, unsigned n, uint64_t *after)
{
    uint64_t count = min_size((word & REMOTE_COUNT) + n, REMOTE_COUNT);
    bool is_ripe = count >= PEEK(span->capacity) && are_all_set(span);
    *after = (word & ~REMOTE_COUNT) | count;
    if (word & REMOTE_NOTIFIED) return is_ripe ? RIPENS : PUSHED;
    if (is_ripe) return *after |= REMOTE_RETIRED, RETIRES;
    if (count >= span_wake(span)) return *after |= REMOTE_NOTIFIED, WAKES;
    return PUSHED;
}

/* Says that bits have been set. */
static enum outcome announce(struct span *span, uint64_t bits)
{
    uint64_t word = atomic_load(&span->remote), after;
    enum outcome outcome;
    do {
        bool is_known = (word & (REMOTE_FULL | REMOTE_SOME)) == REMOTE_SOME;
        if (is_known || (word & REMOTE_RETIRED)) return PUSHED;
        outcome = PUSHED;
        if (word & REMOTE_FULL) outcome = outcome_of(span, word, (unsigned)__builtin_popcountl(bits), &after);
        else after = word | REMOTE_SOME, outcome = FIRST;
    } while (!atomic_compare_exchange_weak(&span->remote, &word, after));
    return outcome;
}

void remote_post(struct span *span)
{
    struct heap *heap = heap_of_span(span);
    struct span *top = atomic_load_explicit(&heap->woken, memory_order_relaxed);
    do span->woken_next = top;
    while (!atomic_compare_exchange_weak_explicit(&heap->woken, &top, span, memory_order_release, memory_order_relaxed));
}

struct span *remote_take_woken(struct heap *heap)
{
    if (!atomic_load_explicit(&heap->woken, memory_order_relaxed)) return NULL;
    atomic_store_explicit(&heap->nunripe, 0, memory_order_relaxed);
    return atomic_exchange_explicit(&heap->woken, NULL, memory_order_acquire);
}

void remote_put_back(struct heap *heap, struct span *rest)
{
    struct span *none = NULL;
    while (rest &&
           !atomic_compare_exchange_strong_explicit(&heap->woken, &none, rest, memory_order_release, memory_order_relaxed)) {
        for (struct span *span = remote_take_woken(heap), *next; span; span = next)
            next = span->woken_next, span->woken_next = rest, rest = span;
        none = NULL;
    }
}

static void clear_bits(struct span *span)
{
    for (unsigned word = remote_nwords(span); word--;) atomic_store_explicit(remote_word(span, word), 0, memory_order_relaxed);
}

/* Of a medium span of which all blocks were freed by others: its owner has freed one of them, too. */
static bool has_twice_free(const struct span *span)
{
    if (span_is_small(span)) return false;
    for (unsigned k = 0; k < span->capacity; k++)
        if (block_is_listed(span, k)) return true;
    return PEEK(span->pair.bits) != 0;
}

/* A span that is RETIRED, so that nobody else changes it; if a block is free twice, its owner shall find it, and tell. */
static void release(struct span *span)
{
    uint64_t word = remote_load(span);
    if (LIKELY(!has_twice_free(span))) {
        clear_bits(span);
        heap_release(span);
    } else if (atomic_compare_exchange_strong(&span->remote, &word, word ^ (REMOTE_RETIRED | REMOTE_NOTIFIED))) {
        remote_post(span);
    }
}

/* A FULL, NOTIFIED span that was taken off a stack: ours to give back if all of it is free. */
static bool retire_ripe(struct span *span)
{
    uint64_t word = atomic_load(&span->remote);
    while ((word & REMOTE_FULL) && are_all_set(span))
        if (atomic_compare_exchange_weak(&span->remote, &word, (word | REMOTE_RETIRED) & ~REMOTE_NOTIFIED)) return true;
    return false;
}

/* The owner may sleep for ever: fetches its woken spans and gives back those that are all free. */
COLD void remote_steal_ripe(struct heap *heap)
{
    if (!atomic_exchange_explicit(&heap->nripe, 0, memory_order_relaxed)) return;
    struct span *rest = NULL;
    uint32_t nunripe = 0;
    for (struct span *span = remote_take_woken(heap), *next; span; span = next) {
        next = span->woken_next;
        if (retire_ripe(span)) release(span);
        else if (heap_of_span(span) != heap) remote_post(span);
        else span->woken_next = rest, rest = span, nunripe++;
    }
    remote_put_back(heap, rest);
    atomic_store_explicit(&heap->nunripe, nunripe, memory_order_relaxed);
}

/* One that has been trimmed shall be so again. */
static void tell_pooled(struct heap *owner)
{
    if (LIKELY(atomic_load_explicit(&owner->state, memory_order_relaxed) != HEAP_POOLED)) return;
    atomic_store(&owner->is_untrimmed, true);
    atomic_store(&heaps_untrimmed, true);
}

static void settle(struct span *span, enum outcome outcome, struct heap *owner)
{
    if (outcome == FIRST || outcome == WAKES) tell_pooled(owner);
    uint32_t n = (uint32_t)span_nslices(span); /* as far as one can tell: it may be gone already */
    if (outcome == WAKES) remote_post(span);
    if (outcome == RETIRES) release(span);
    if (outcome != RIPENS) return;
    uint32_t nripe = atomic_fetch_add_explicit(&owner->nripe, n, memory_order_relaxed) + n;
    if (nripe >= RIPE_MAX + atomic_load_explicit(&owner->nunripe, memory_order_relaxed) / 8) remote_steal_ripe(owner);
}

/* Sets bits of a word. Returns those that were set before: blocks that are free already. */
static uint64_t push(struct span *span, unsigned word, uint64_t bits)
{
    struct heap *owner = heap_of_span(span); /* while a block is still out: after the push the span may be anybody's */
    uint64_t twice = atomic_fetch_or(remote_word(span, word), bits) & bits;
    if (LIKELY(bits != twice)) settle(span, announce(span, bits & ~twice), owner);
    return twice;
}

static struct pair *pair_of(const struct span *span) { return __atomic_load_n(&span_desc(span)->pair, __ATOMIC_ACQUIRE); }
static bool is_set(const struct pair *pair, unsigned k) { return __atomic_load_n(&pair->bits, __ATOMIC_ACQUIRE) >> k & 1; }

/* The bit was seen set, perhaps of another span that has come to the pair since. Between two looks at an even nturns none has. */
static COLD bool is_surely_free(struct span *span, unsigned k)
{
    struct heap *owner = heap_of_span(span);
    uint32_t turns = atomic_load_explicit(&owner->nturns, memory_order_acquire);
    struct pair *pair = pair_of(span);
    bool is_its = pair == &span->pair || pair == heap_pair(owner, span_desc(span)->class), is_free = is_set(pair, k);
    bool is_steady = turns % 2 == 0 && atomic_load_explicit(&owner->nturns, memory_order_acquire) == turns;
    return is_free && is_its && is_steady && heap_of_span(span) == owner;
}

bool remote_is_free_at_owner(struct span *span, unsigned k)
{
    return (UNLIKELY(is_set(pair_of(span), k)) && is_surely_free(span, k)) || block_is_listed(span, k);
}

COLD void remote_tell_twice(const struct span *span, unsigned word, uint64_t twice)
{
    size_t size = span_desc(span)->size;
    for (; twice; twice &= twice - 1) {
        const char *block = span_blocks(span) + (word * 64 + bits_lowest(twice)) * size;
        crime_report("free()", &(struct evidence){CRIME_DOUBLE, block, block, size});
    }
}

static void post(struct heap *heap, struct pending *way)
{
    uint64_t bits = way->bits;
    if (!bits) return;
    struct span *span = span_of_start(way->key);
    unsigned word = way->key % REMOTE_WORDS;
    way->bits = 0;
    heap->room += (uint32_t)__builtin_popcountl(bits) * span_desc(span)->size;
    uint64_t twice = push(span, word, bits);
    if (UNLIKELY(twice)) remote_tell_twice(span, word, twice);
}

/* The words in turn, so about those that have gathered longest, a few at a time: who allocates or frees should not wait for all
 * of them. bench_tail has one free in ten thousand take 1.9 us if it does, else 0.3. */
static void post_next(struct heap *heap) { post(heap, &heap->pending[heap->hand++ % NPENDING]); }

void remote_flush(struct heap *heap, unsigned nwords)
{
    for (; nwords && heap->room != PENDING_MAX; nwords--) post_next(heap);
}

static bool gather(struct heap *heap, struct span *span, unsigned k)
{
    uint32_t size = span_desc(span)->size;
    uintptr_t key = remote_key((uintptr_t)span_blocks(span), k);
    struct pending *way = remote_way(heap, span_desc(span)->class, key);
    for (int left = NPENDING; heap->room < ROOM_MIN && left; left--) post_next(heap);
    /* A whole round is enough, unless the count is wrong: a block freed twice, whose span has become another's. */
    if (UNLIKELY(heap->room < ROOM_MIN)) heap->room = PENDING_MAX;
    if (way->key != key) post(heap, way), way->key = key;
    if (bits_test_and_set(&way->bits, k % 64)) return false;
    heap->room -= size;
    return true;
}

bool remote_is_gathered(struct heap *heap, const struct span *span, unsigned k)
{
    uintptr_t key = remote_key((uintptr_t)span_blocks(span), k);
    const struct pending *way = remote_way(heap, span_desc(span)->class, key);
    return way->key == key && way->bits >> k % 64 & 1;
}

bool remote_free(struct heap *heap, struct span *span, unsigned k)
{
    /* not what is the shared heap's: the next young heap may want it */
    bool waits = heap && span_desc(span)->size <= ROOM_MIN && !heap_is_shared(heap_of_span(span));
    return waits ? gather(heap, span, k) : !push(span, k / 64, (uint64_t)1 << k % 64);
}

void remote_begin(struct span *span, uint32_t capacity)
{
    uint64_t word = remote_load(span), epoch = word / REMOTE_EPOCH;
    if (UNLIKELY(remote_has(word))) clear_bits(span); /* of a block that was freed twice in an earlier life */
    atomic_store_explicit(&span->remote, (epoch + 1) * REMOTE_EPOCH, memory_order_relaxed);
    __atomic_store_n(&span->capacity, capacity, __ATOMIC_RELEASE);
}

/* An owner's change of the word. As long as there is no other thread it is a plain store, for a locked operation waits for all
 * stores before it, and those of frees of cold blocks are slow. bench_scale live 45.7 to 42.3 ns. */
static bool change(struct span *span, uint64_t *word, uint64_t after)
{
    if (!heap_is_alone()) return atomic_compare_exchange_weak(&span->remote, word, after);
    atomic_store_explicit(&span->remote, after, memory_order_relaxed);
    return true;
}

uint64_t remote_take(struct span *span, bool off_stack)
{
    uint64_t word = remote_load(span), after;
    do {
        after = (word / REMOTE_EPOCH + 1) * REMOTE_EPOCH | (off_stack ? 0 : word & REMOTE_NOTIFIED);
    } while (!change(span, &word, after));
    return word;
}

bool remote_let_go(struct span *span)
{
    uint64_t word = remote_load(span);
    do {
        if (remote_has(word)) return false;
    } while (!change(span, &word, word | REMOTE_FULL));
    return true;
}
