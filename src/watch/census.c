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

/* Marks a block that a list holds. False: not a block of the span. */
static bool mark(struct census *census, const struct block *block)
{
    const struct desc *desc = span_desc(census->span);
    size_t offset = (uintptr_t)block - (uintptr_t)span_address(census->span);
    if (offset >= span_nbytes(census->span)) return false;
    unsigned k = class_quotient(offset, desc->reciprocal);
    bool is_new = offset < PEEK(desc->carved) && class_is_multiple(offset, desc->reciprocal) && !census_is_free(census, k);
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

static void count_small(struct census *census, const struct desc *desc)
{
    const struct span *span = census->span;
    uint64_t word = atomic_load_explicit(&span->remote, memory_order_acquire);
    const char *first = span_address(span) + (size_t)remote_payload(word) * desc->size;
    census->nlocal = mark_list(census, desc->pair->head, span->capacity);
    census->nremote = mark_list(census, (const struct block *)first, remote_count(word));
    count_elsewhere(census, desc->class);
    for (unsigned k = class_quotient(PEEK(desc->carved), desc->reciprocal); k < span->capacity; k++, census->nuncarved++)
        census->is_free[k / 64] |= (uint64_t)1 << k % 64;
}

static void count_medium(struct census *census)
{
    uint64_t word = atomic_load_explicit(&census->span->remote, memory_order_acquire), local = census->span->bits.free;
    census->is_free[0] = local | remote_payload(word);
    census->nlocal = (unsigned)__builtin_popcountl(local);
    census->nremote = remote_count(word);
    census->nbroken = (unsigned)__builtin_popcountl(local & remote_payload(word));
}

void census_count(struct census *census, const struct span *span)
{
    const struct desc *desc = span_desc(span);
    *census = (struct census){.span = span};
    if (desc->class < NSMALL) count_small(census, desc);
    else count_medium(census);
}
