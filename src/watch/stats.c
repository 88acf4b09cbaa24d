/* stats.c - sums over the spans. Blocks are not asked one by one: their number is in the records, but for those of current spans.
 * With 64 threads and 1 GiB of 64-byte blocks a look at each took a second, and there are programs that ask as often as they
 * log. */
#include "../heap/large.h"
#include "../heap/remote.h"
#include "../os/report.h"
#include "watch.h"

static size_t length(struct block *const *list)
{
    size_t n = 0;
    for (const struct block *block = PEEK(*list); block && n < LIST_MAX && range_has(block) && block_is_sound(block);
         block = block_next(block))
        n++;
    return n;
}

static size_t count_remote(const struct span *span, unsigned class)
{
    size_t n = 0;
    for (unsigned word = 0; word * 64U < class_table[class].capacity; word++)
        n += (size_t)__builtin_popcountl(atomic_load_explicit(remote_word(span, word), memory_order_relaxed));
    return n;
}

/* The bits of a full or available span are many a line to read, so they are only where its word says so. */
static size_t count_free(struct span *span, unsigned class, bool is_current)
{
    const struct heap *heap = heap_of_span(span);
    bool has_bits = is_current && heap && class >= NSMALL;
    size_t n = has_bits ? (size_t)__builtin_popcountl(__atomic_load_n(&heap->bits[class - NSMALL].bits, __ATOMIC_RELAXED)) : 0;
    return is_current || remote_has(remote_load(span)) ? n + count_remote(span, class) : n;
}

/* Blocks that are out as far as the owner knows: those that others have freed are among them. The unit of a medium span is 1. */
static size_t count_out(const struct span *span, enum span_state state)
{
    uint64_t due = span->pair.due, unit = heap_unit(span);
    if (state == SPAN_CURRENT) return PEEK(span_desc(span)->carved);
    if (unit == 1) return PEEK(span->capacity) - (size_t)__builtin_popcountl(__atomic_load_n(&span->pair.bits, __ATOMIC_RELAXED));
    if (state == SPAN_FULL) return PEEK(span->capacity) - (heap_due_at_wake(span) - due) / unit;
    return due == DUE_PARKED ? 0 : (due + 1) / unit;
}

static void add_blocks(struct watch_totals *totals, size_t n, size_t size)
{
    totals->nlive += n;
    totals->live += n * size;
}

static void add_used(struct watch_totals *totals, struct span *span, uint64_t word)
{
    enum span_state state = word_state(word);
    size_t nbytes = word_nslices(word) << SLICE_SHIFT;
    totals->used += nbytes;
    if (state == SPAN_LARGE && large_of(span_blocks(span)) == span) add_blocks(totals, 1, min_size(span->nbytes, nbytes));
    if (state != SPAN_CURRENT && state != SPAN_AVAILABLE && state != SPAN_FULL) return;
    unsigned class = __atomic_load_n(&span_desc(span)->class, __ATOMIC_RELAXED);
    size_t out = count_out(span, state);
    size_t nfree = count_free(span, class, state == SPAN_CURRENT);
    if (out > nfree) add_blocks(totals, min_size(out - nfree, class_table[class].capacity), class_table[class].size);
}

static void add_span(struct watch_totals *totals, struct span *span, uint64_t word)
{
    size_t nbytes = word_nslices(word) << SLICE_SHIFT;
    switch (word_state(word)) {
    case SPAN_HOLE: return;
    case SPAN_CLEAN: totals->clean += nbytes; break;
    case SPAN_DIRTY:
    case SPAN_WAITING:
    case SPAN_PURGING: totals->dirty += nbytes; break;
    case SPAN_KEPT: totals->kept += nbytes; break;
    default: add_used(totals, span, word);
    }
    totals->range += nbytes;
}

/* Blocks that wait in a heap: out of their spans, and in nobody's hands. On its lists, */
static void add_listed(struct watch_totals *waiting, const struct heap *heap)
{
    for (unsigned class = 0; class < NCLASSES; class ++) {
        const struct span *current = class < NSMALL ? PEEK(heap->current[class]) : NULL;
        size_t n = length(&heap->pairs[class].head) + (current ? length(&current->pair.head) : 0);
        add_blocks(waiting, n, class_table[class].size);
    }
}

/* and gathered. */
static void add_gathered(struct watch_totals *waiting, const struct heap *heap)
{
    for (int way = 0; way < NPENDING; way++) {
        const struct pending *pending =
            &heap->pending[way]; /* bits first: where there are some the key is theirs, or of others by now */
        size_t n = (size_t)__builtin_popcountl(__atomic_load_n(&pending->bits, __ATOMIC_ACQUIRE));
        if (n) add_blocks(waiting, n, PEEK(span_desc(span_of_start(pending->key))->size));
    }
}

void watch_count(struct watch_totals *totals)
{
    *totals = (struct watch_totals){0};
    for (size_t i = 0, n; i < range_limit(); i += max_size(n, 1)) {
        uint64_t word = atomic_load_explicit(&range.records[i].word, memory_order_acquire);
        n = word_nslices(word);
        if (n) add_span(totals, range.records + i, word);
    }
    struct watch_totals waiting = {0};
    const struct heap *heap;
    for (size_t i = 0; (heap = heap_at(i)) != NULL; i++)
        if (atomic_load_explicit(&heap->state, memory_order_relaxed) != HEAP_LOST)
            add_listed(&waiting, heap), add_gathered(&waiting, heap);
    totals->nlive -= min_size(totals->nlive, waiting.nlive); /* the heaps go on meanwhile */
    totals->live -= min_size(totals->live, waiting.live);
    size_t dirty = min_size(PEEK(spans.totals.dirty) << SLICE_SHIFT, totals->dirty); /* a free span may be so in part */
    totals->clean += totals->dirty - dirty;
    totals->dirty = dirty + totals->kept;
}

static void line(const char *before, size_t number, const char *after)
{
    struct text text;
    report_begin(&text);
    text_string(&text, before);
    text_decimal(&text, number);
    text_string(&text, after);
    report_line(&text);
}

COLD void watch_print(void)
{
    struct watch_totals totals;
    watch_count(&totals);
    line("live blocks       ", totals.nlive, "");
    line("live bytes        ", totals.live, " (usable sizes)");
    line("spans in use      ", totals.used, " bytes");
    line("free, for reuse   ", totals.dirty, " bytes");
    line("free, untouched   ", totals.clean, " bytes");
    line("heap range        ", totals.range, " bytes");
}
