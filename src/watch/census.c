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
    for (; block && n; n--, block = block->next) {
        if (!range_has(block) || !block_is_sound(block)) {
            census->nbroken++;
            break;
        }
        marked += mark(census, block);
    }
    return marked;
}

static void count_elsewhere(struct census *census, unsigned class)
{
    struct heap *heap;
    for (size_t i = 0; (heap = heap_at(i)) != NULL; i++) {
        if (atomic_load_explicit(&heap->state, memory_order_relaxed) == HEAP_LOST) continue;
        for (int way = 0; way < NPENDING; way++)
            if (heap->pending[way].span == census->span)
                census->npending += mark_list(census, heap->pending[way].first, heap->pending[way].count);
        if (!heap->current[class]) census->nyoung += mark_list(census, heap->pairs[class].head, YOUNG_BATCH);
    }
}

static void count_small(struct census *census, const struct desc *desc, uint64_t word)
{
    const struct span *span = census->span;
    const char *first = span_address(span) + (size_t)remote_first(word) * desc->size;
    census->nlocal = mark_list(census, desc->pair->head, span->capacity);
    for (unsigned k = 0; k < span->capacity; k++)
        if (census_is_free(census, k)) census->weight += (uintptr_t)span_address(span) + k * desc->size;
    census->nremote = mark_list(census, (const struct block *)(const void *)first, remote_count(word));
    count_elsewhere(census, desc->class);
}

static void count_medium(struct census *census, const struct desc *desc, uint64_t word)
{
    uint64_t local = desc->pair->bits, remote = remote_bits(word);
    census->is_free[0] = local | remote;
    census->nlocal = (unsigned)__builtin_popcountl(local);
    census->weight = census->nlocal;
    census->nremote = (unsigned)__builtin_popcountl(remote);
    census->nbroken = (unsigned)__builtin_popcountl(local & remote);
}

void census_count(struct census *census, const struct span *span)
{
    const struct desc *desc = span_desc(span);
    uint64_t word = atomic_load_explicit(&span->remote, memory_order_acquire);
    *census = (struct census){.span = span};
    if (desc->class < NSMALL) count_small(census, desc, word);
    else count_medium(census, desc, word);
    for (unsigned k = PEEK(desc->carved); k < span->capacity; k++, census->nuncarved++) {
        census->nbroken += census_is_free(census, k);
        census->is_free[k / 64] |= (uint64_t)1 << k % 64;
    }
}
