/* wait.c - free spans that wait for the next of their size.
 *
 * To cut a span out of a free one, and to join it with its neighbours again, takes longer than all else that malloc and free do
 * with a large block. Who fills and drops gives back many spans in a row, and takes as many again. So of those of few slices all
 * but the first of a row wait as they are, in no bin, for who wants just as many. They are free, dirty memory, for the limits and
 * the purge as well, and joined as soon as nothing else that is dirty is large enough, or some is to be purged: nothing is taken
 * anew that would not have been if all had been joined at once, but for where things come to lie.
 *
 * Of a row only: where one comes for one that goes, in a ring of buffers say, a program held 1.22 of the memory, for what is
 * joined at once lies in the order in which it will be given back, and what has waited does not. (Figures: ../README.md.) */
#include "wait.h"
#include "dirty.h"

enum { SLICES = 8, ROW = 8, MOST = 16 * MIB / SLICE_SIZE };

static struct {
    /* by slices: the index of the one that came last, and 1; 0 none. (Pointers would take the small data to a second page.) */
    uint32_t first[SLICES + 1];
    uint32_t nslices, nrow; /* of all; and how many were given since one was taken */
} waiting;

bool wait_begin(struct span *span)
{
    size_t nslices = span_nslices(span);
    if (waiting.nrow++ < ROW || nslices > SLICES || waiting.nslices > MOST - nslices) return false;
    span->first = waiting.first[nslices];
    waiting.first[nslices] = span_number(span);
    waiting.nslices += (uint32_t)nslices;
    span_add_total(&spans.totals.dirty, nslices);
    span_set_state(span, SPAN_WAITING);
    return true;
}

static struct span *first_of(size_t nslices) { return nslices <= SLICES ? span_numbered(waiting.first[nslices]) : NULL; }

static struct span *pop(size_t nslices)
{
    struct span *span = first_of(nslices);
    if (!span) return NULL;
    waiting.first[nslices] = (uint32_t)span->first;
    waiting.nslices -= (uint32_t)nslices;
    span_add_total(&spans.totals.dirty, -nslices);
    span->ndirty = nslices;
    return span;
}

struct span *wait_end(size_t nslices)
{
    waiting.nrow = 0;
    return pop(nslices);
}

bool wait_join(void)
{
    if (!waiting.nslices) return false;
    for (size_t nslices = 1; nslices <= SLICES; nslices++)
        for (struct span *span; (span = pop(nslices)) != NULL;) {
            dirty_mark(span_index(span), nslices);
            span_put_free(span);
        }
    return true;
}

void wait_forget(void) { __builtin_memset(&waiting, 0, sizeof waiting); }

bool wait_has(const struct span *span)
{
    const struct span *at = first_of(span_nslices(span));
    while (at && at != span) at = span_numbered(at->first);
    return at;
}
