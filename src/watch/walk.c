/* walk.c - every span and block in address order, and the laws that they keep. */
#include "census.h"
#include "../../include/mspace.h"
#include "../heap/again.h"
#include "../heap/large.h"
#include "../heap/remote.h"
#include "../os/report.h"
#include "watch.h"

static bool has_blocks(enum span_state state)
{
    return state == SPAN_CURRENT || state == SPAN_AVAILABLE || state == SPAN_FULL || state == SPAN_LOST;
}

static enum mspace_state public_state(enum span_state state)
{
    switch (state) {
    case SPAN_CLEAN: return MSPACE_CLEAN;
    case SPAN_DIRTY:
    case SPAN_WAITING:
    case SPAN_PURGING:
    case SPAN_KEPT: return MSPACE_FREE;
    case SPAN_HOLE: return MSPACE_FOREIGN;
    default: return MSPACE_LIVE;
    }
}

static int visit_blocks(const struct span *span, size_t nslices, struct census *census, mspace_visitor *visit, void *argument)
{
    census_count(census, span);
    if (census->class->nslices != nslices) return 0; /* no longer that span */
    size_t size = census->class->size;
    bool is_known = census->nbroken == 0 && span_state(span) != SPAN_LOST;
    for (unsigned k = 0; k < census->class->capacity; k++) {
        struct mspace_item item = {MSPACE_BLOCK, MSPACE_UNKNOWN, census->blocks + k * size, size};
        if (is_known) item.state = census_is_free(census, k) ? MSPACE_FREE : MSPACE_LIVE;
        int stop = visit(&item, argument);
        if (stop) return stop;
    }
    return 0;
}

/* `word` is the span's at one instant; by the next there may be another. */
static int visit_span(const struct span *span, uint64_t word, struct census *census, mspace_visitor *visit, void *argument)
{
    enum span_state state = word_state(word);
    size_t nslices = word_nslices(word);
    struct mspace_item item = {MSPACE_SPAN, public_state(state), span_address(span), nslices << SLICE_SHIFT};
    int stop = visit(&item, argument);
    if (stop) return stop;
    if (has_blocks(state)) return visit_blocks(span, nslices, census, visit, argument);
    if (state != SPAN_LARGE || large_of(span_blocks(span)) != span) return 0;
    item = (struct mspace_item){MSPACE_BLOCK, MSPACE_LIVE, span_blocks(span), min_size(span->nbytes, item.size)};
    return visit(&item, argument);
}

int watch_walk(mspace_visitor *visit, void *argument)
{
    struct census *census = census_take();
    if (!census) return -1;
    int stop = 0;
    for (size_t i = 0, n; i < range_limit() && !stop; i += max_size(n, 1)) {
        const struct span *span = range.records + i;
        uint64_t word = atomic_load_explicit(&span->word, memory_order_acquire);
        n = word_nslices(word); /* 0: joined with its left neighbour a moment ago; the next first is ahead */
        if (n) stop = visit_span(span, word, census, visit, argument);
    }
    census_drop();
    return stop;
}

static void broken(const char *law, const struct span *span)
{
    struct text text;
    report_begin(&text);
    text_string(&text, "mspace_verify(): broken law: ");
    text_string(&text, law);
    text_string(&text, " (span at ");
    text_pointer(&text, span_address(span));
    text_string(&text, ", state ");
    text_decimal(&text, span_state(span));
    text_string(&text, ")");
    report_line(&text);
}

/* Beside other threads the list may change under the reader, and lead round and round: no list is longer than there are spans. */
static bool is_on(const struct list *list, const struct list *wanted)
{
    size_t left = range_limit();
    list_for_each (node, list) {
        if (node == wanted) return true;
        if (!left--) break;
    }
    return false;
}

/* In a child of fork a vanished thread may have counted a block and not yet freed it. */
static bool is_due_right(const struct span *span, const struct census *census)
{
    uint64_t all = heap_due(span), due = span->pair.due;
    if (heaps_have_vanished) return due == DUE_PARKED || due + census->weight <= all;
    return census->nlocal == span->capacity ? due == DUE_PARKED : due + census->weight == all;
}

/* The law of a span of blocks, by its state; NULL: kept. */
static const char *law_broken(const struct census *census)
{
    const struct span *span = census->span;
    const struct desc *desc = span_desc(span);
    struct heap *heap = heap_of_owner(PEEK(desc->owner));
    unsigned class = desc->class, nfree = census->nlocal + census->nlisted + census->nremote + census->npending;
    if (!heap) return "a span of blocks has an owner";
    if (desc->pair != &span->pair && desc->pair != heap_pair(heap, class))
        return "frees go to the span's own pair, or to its class's";
    if (census->nbroken) return "free blocks are listed once, in their place, as free left them";
    if (nfree + census->nuncarved > span->capacity) return "live + free + remote + pending + never carved == capacity";
    switch (span_state(span)) {
    case SPAN_CURRENT:
        return heap->current[class] == span && desc->pair == heap_pair(heap, class) ? NULL : "a current span is its heap's";
    case SPAN_AVAILABLE:
        if (!is_on(&heap->available[class], &span->node)) return "an available span is on its heap's list";
        if (census->nuncarved) return "an available span is carved whole";
        return is_due_right(span, census) ? NULL : "what is due of an available span are the blocks that are out";
    case SPAN_FULL: return remote_load(range.records + span_index(span)) & REMOTE_FULL ? NULL : "a full span has been let go";
    default: return NULL;
    }
}

/* Of what heaps keep; *n is how many spans. */
static size_t verify_kept(size_t *n)
{
    struct heap *heap;
    size_t errors = 0;
    for (size_t i = *n = 0; (heap = heap_at(i)) != NULL; i++)
        for (unsigned k = 0; k < KEPT_PLACES + AGAIN_SLICES; k++) {
            bool is_place = k < KEPT_PLACES;
            const struct span *kept =
                is_place ? atomic_load_explicit(&heap->kept[k], memory_order_relaxed) : again_first(heap, k - KEPT_PLACES + 1);
            for (; kept && *n < range_limit(); kept = is_place ? NULL : PEEK(kept->woken_next), ++*n)
                if (span_state(kept) != SPAN_KEPT) broken("what is kept is neither in use nor free", kept), errors++;
        }
    return errors;
}

size_t watch_verify(void)
{
    struct census *census = census_take();
    if (!census) return 0;
    lock_take(&spans.lock);
    size_t nplaces, nkept = 0, errors = span_verify(broken) + verify_kept(&nplaces);
    span_for_each (span) {
        nkept += span_state(span) == SPAN_KEPT;
        if (!has_blocks(span_state(span)) || span_state(span) == SPAN_LOST) continue;
        census_count(census, span);
        const char *law = law_broken(census);
        if (law) broken(law, span), errors++;
    }
    if (nkept != nplaces) broken("a kept span has one place", range.records), errors++;
    lock_drop(&spans.lock);
    census_drop();
    return errors;
}
