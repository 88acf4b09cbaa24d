#include "census.h"
#include "../heap/remote.h"

static struct census the_census;
static struct lock taken;

struct census *census_take(void) { return lock_try(&taken) ? &the_census : NULL; }

void census_drop(struct census *census)
{
    (void)census;
    lock_drop(&taken);
}

void census_break(void) { lock_break(&taken); }

/* Marks a block that a list holds. False: not a block of the span. */
static bool mark(struct census *census, const struct block *block)
{
    const struct desc *desc = span_desc(census->span);
    if ((uintptr_t)block - (uintptr_t)span_address(census->span) >= span_nbytes(census->span)) return false;
    unsigned k = desc_index(desc, block);
    bool is_new = desc_is_start(desc, block) && !census_is_free(census, k);
    if (is_new) census->is_free[k / 64] |= (uint64_t)1 << k % 64;
    else census->nbroken++;
    return true;
}

/* Marks the blocks of a list, at most `n` of them; returns how many were the span's. */
static unsigned mark_list(struct census *census, const struct block *block, unsigned n)
{
    unsigned marked = 0;
    for (; block && n; n--, block = block_next(block)) {
        if (!range_has(block) || !block_is_sound(block)) {
            census->nbroken++;
            break;
        }
        marked += mark(census, block);
    }
    return marked;
}

/* Marks the blocks of a word of bits, as mark_list does. */
static unsigned mark_word(struct census *census, unsigned word, uint64_t bits)
{
    if (word >= remote_nwords(census->span)) return 0;
    census->nbroken += (unsigned)__builtin_popcountl(census->is_free[word] & bits);
    census->is_free[word] |= bits;
    return (unsigned)__builtin_popcountl(bits);
}

static void count_elsewhere(struct census *census, unsigned class)
{
    struct heap *heap;
    for (size_t i = 0; (heap = heap_at(i)) != NULL; i++) {
        if (atomic_load_explicit(&heap->state, memory_order_relaxed) == HEAP_LOST) continue;
        for (int way = 0; way < NPENDING; way++)
            if (heap->pending[way].bits && span_of_start(heap->pending[way].key) == census->span)
                census->npending += mark_word(census, heap->pending[way].key % REMOTE_WORDS, heap->pending[way].bits);
        if (class < NSMALL && !heap->current[class]) census->nyoung += mark_list(census, heap->pairs[class].head, YOUNG_BATCH);
    }
}

static void count_small(struct census *census, const struct desc *desc)
{
    const struct span *span = census->span;
    census->nlocal = mark_list(census, desc->pair->head, span->capacity);
    for (unsigned k = 0; k < span->capacity; k++)
        if (census_is_free(census, k)) census->weight += (uintptr_t)span_address(span) + k * desc->size;
}

static void count_medium(struct census *census, const struct desc *desc)
{
    census->is_free[0] = desc->pair->bits;
    census->weight = census->nlocal = (unsigned)__builtin_popcountl(desc->pair->bits);
}

void census_count(struct census *census, const struct span *span)
{
    const struct desc *desc = span_desc(span);
    *census = (struct census){.span = span};
    if (desc->class < NSMALL) count_small(census, desc);
    else count_medium(census, desc);
    for (unsigned word = 0; word < remote_nwords(span); word++)
        census->nremote += mark_word(census, word, atomic_load_explicit(remote_bits(span) + word, memory_order_relaxed));
    count_elsewhere(census, desc->class);
    for (unsigned k = PEEK(desc->carved); k < span->capacity; k++, census->nuncarved++) {
        census->nbroken += census_is_free(census, k);
        census->is_free[k / 64] |= (uint64_t)1 << k % 64;
    }
}
