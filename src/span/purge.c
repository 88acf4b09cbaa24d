/* purge.c - giving memory back: bounded by amount, done by whoever exceeds the bound, never under a lock.
 *
 * Dirty memory may reach max(dirty=, live / 8); the free that goes over it gives spans back, largest first and among
 * those the oldest, at most 2 MiB with each system call so that nobody waits long for the range. */
#include "span.h"
#include "../os/map.h"
#include "../os/options.h"

static const size_t STEP = 2 * MIB / SLICE_SIZE;

static size_t dirty_now(void) { return __atomic_load_n(&spans.totals.dirty, __ATOMIC_RELAXED) << SLICE_SHIFT; }

static size_t dirty_allowed(void)
{
    size_t live = __atomic_load_n(&spans.totals.live, __ATOMIC_RELAXED) << SLICE_SHIFT;
    return max_size(options.dirty, live / 8);
}

bool purge_is_due(void) { return UNLIKELY(dirty_now() > dirty_allowed()); }

/* A range that was moved here keeps a mapping of its own for ever, unless it is replaced by a fresh one. */
static bool discard(struct span *span)
{
    if (!span->nmoved) return os_discard(span_address(span), span_nbytes(span));
    return os_replace(span_address(span), span_nbytes(span));
}

/* One span out, purged and back. Returns its bytes, 0 when there is none or the kernel refuses. */
static size_t purge_one(void)
{
    lock_take(&spans.lock);
    struct span *span = span_take_dirtiest(STEP);
    if (!span) {
        lock_drop(&spans.lock);
        return 0;
    }
    size_t nslices = span_nslices(span);
    span_set_state(span, SPAN_PURGING);
    span_add_total(&spans.totals.dirty, nslices);     /* counted as dirty until it is clean */
    spans.npurging++;
    lock_drop(&spans.lock);

    bool is_clean = discard(span);

    lock_take(&spans.lock);
    spans.npurging--;
    span_add_total(&spans.totals.dirty, -nslices);
    if (is_clean && span->nmoved) {
        span_add_total(&spans.totals.moved, -min_size(spans.totals.moved, span->nmoved));
        span->nmoved = 0;
    }
    span_put_free(span, is_clean ? SPAN_CLEAN : SPAN_DIRTY);
    lock_drop(&spans.lock);
    return is_clean ? nslices << SLICE_SHIFT : 0;
}

size_t purge_down_to(size_t keep)
{
    size_t done = 0, n;
    while (dirty_now() > keep && (n = purge_one()) != 0) done += n;
    return done;
}

/* Down to three quarters of what is allowed, so that a steady churn at the bound does not purge at every free. */
COLD void purge_if_due(void)
{
    if (purge_is_due()) purge_down_to(dirty_allowed() / 4 * 3);
}
