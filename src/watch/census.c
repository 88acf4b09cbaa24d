#include "census.h"
#include "../heap/remote.h"

static struct census the_census __attribute__((aligned(PAGE))); /* before the small data (CMakeLists.txt) */
static struct lock taken;

struct census *census_take(void) { return lock_try(&taken) ? &the_census : NULL; }

void census_drop(void) { lock_drop(&taken); }

void census_break(void) { lock_break(&taken); }

static size_t offset_of(const struct census *census, const void *block) { return (uintptr_t)block - (uintptr_t)census->blocks; }

/* False: not the start of a block of the span, or marked before. */
static bool mark(struct census *census, const struct block *block)
{
    size_t offset = offset_of(census, block);
    unsigned k = class_quotient(offset, census->class->reciprocal);
    if (!class_is_start(offset, census->class->reciprocal, class_bound(census->index, census->class->capacity))) return false;
    return !bits_test_and_set(&census->is_free[k / 64], k % 64);
}

/* Marks the blocks of a list that are the span's; returns how many. A class's list is of several spans, a span's own of one. */
static unsigned mark_list(struct census *census, struct block *const *list)
{
    unsigned marked = 0, left = LIST_MAX;
    for (const struct block *block = PEEK(*list); block && range_has(block) && left--; block = block_next(block)) {
        bool is_its = (uintptr_t)block - (uintptr_t)span_address(census->span) < census->class->nslices * SLICE_SIZE;
        marked += is_its;
        if ((!is_its || mark(census, block)) && block_is_sound(block)) continue;
        census->nbroken++;
        break;
    }
    return marked;
}

static unsigned nwords(const struct census *census) { return (census->class->capacity + 63U) / 64; }

/* Marks the blocks of a word of bits, as mark_list does. */
static unsigned mark_word(struct census *census, unsigned word, uint64_t bits)
{
    if (word >= nwords(census)) return 0;
    census->nbroken += (unsigned)__builtin_popcountl(census->is_free[word] & bits);
    census->is_free[word] |= bits;
    return (unsigned)__builtin_popcountl(bits);
}

/* On a heap's lists of the class: its owner's, by which an attached span's blocks are as free as the current one's, or one's that
 * reuses others'. */
static void count_listed(struct census *census, const struct heap *heap)
{
    const struct span *current = census->index < NSMALL ? PEEK(heap->current[census->index]) : NULL;
    bool is_owners = heap == heap_of_span(census->span),
         is_attached = census->index < NSMALL && PEEK(heap->attached) >> census->index & 1;
    if (is_owners ? census->index < NSMALL && census->span != current && !is_attached : !PEEK(heap->has_others)) return;
    census->nlisted += mark_list(census, &heap->pairs[census->index].head);
    if (current) census->nlisted += mark_list(census, &current->pair.head);
}

static void count_elsewhere(struct census *census)
{
    struct heap *heap;
    for (size_t i = 0; (heap = heap_at(i)) != NULL; i++) {
        if (atomic_load_explicit(&heap->state, memory_order_relaxed) == HEAP_LOST) continue;
        count_listed(census, heap);
        for (int way = 0; way < NPENDING; way++)
            if (heap->pending[way].bits && span_of_start(heap->pending[way].key) == census->span)
                census->npending += mark_word(census, heap->pending[way].key % REMOTE_WORDS, heap->pending[way].bits);
    }
}

static void count_small(struct census *census)
{
    const struct heap *heap = heap_of_span(census->span);
    const struct span *current = heap ? PEEK(heap->current[census->index]) : NULL;
    if (census->span != current) census->nlocal = mark_list(census, &census->span->pair.head);
    for (unsigned k = 0, gone = PEEK(census->span->gone); gone && k < PEEK(census->span->capacity); k++)
        if (span_pages_of(census->index, k) & gone) census->nlocal += mark_word(census, k / 64, (uint64_t)1 << k % 64);
    for (unsigned k = 0; k < census->class->capacity; k++)
        if (census_is_free(census, k)) census->weight += (uintptr_t)census->blocks + k * census->class->size;
}

static void count_medium(struct census *census, const struct pair *pair)
{
    census->weight = census->nlocal = mark_word(census, 0, __atomic_load_n(&pair->bits, __ATOMIC_RELAXED));
}

void census_count(struct census *census, const struct span *span)
{
    const struct desc *desc = span_desc(span);
    const struct pair *pair = __atomic_load_n(&desc->pair, __ATOMIC_ACQUIRE); /* NULL: the span is being made */
    unsigned index = __atomic_load_n(&desc->class, __ATOMIC_RELAXED);
    *census = (struct census){.span = span, .index = index, .class = &class_table[index]};
    census->blocks = span_address(span) + class_offset(index, span_index(span)); /* what desc says may be another life's */
    if (pair && index < NSMALL) count_small(census);
    if (pair && index >= NSMALL) count_medium(census, pair);
    for (unsigned word = 0; word < nwords(census); word++)
        census->nremote += mark_word(census, word, atomic_load_explicit(remote_word(span, word), memory_order_relaxed));
    count_elsewhere(census);
    for (unsigned k = PEEK(desc->carved); k < census->class->capacity; k++) {
        census->nbroken += census_is_free(census, k);
        census->is_free[k / 64] |= (uint64_t)1 << k % 64;
        census->nuncarved += k < PEEK(span->capacity); /* less than the class's under a limit: the others never will be */
    }
}
