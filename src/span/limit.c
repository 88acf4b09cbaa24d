/* limit.c - limit=HARD:SOFT, how much the heap may hold: blocks that have been carved, large blocks by their pages, and free
 * memory that may be resident.
 *
 * Whoever makes blocks of memory charges it first, whoever gives a span back refunds it, without a lock. Over the soft limit
 * nothing free is kept (purge.c asks), and what is handed out has been paid for by then, so that the sum never exceeds the larger
 * of the soft limit and what is in use. Over the hard limit the answer is NULL. Its last 64th, at least 256 KiB if that is not an
 * eighth, is not for large blocks; and the second half of that for nobody before a small one has been refused: a program that is
 * told so can still print its error, close its files, unwind its stack. */
#include "span.h"
#include "../os/options.h"

static _Atomic(size_t) used;     /* bytes charged */
static _Atomic(bool) is_refused; /* a small one has been, and little has come back since */

bool limit_charge(size_t nbytes, bool is_large)
{
    size_t hard = options.limit.hard;
    if (LIKELY(!hard)) return true;
    size_t reserve = max_size(hard / 64, min_size(hard / 8, 256 * KIB)), bound = hard - reserve;
    size_t before = atomic_load_explicit(&used, memory_order_relaxed);
    if (before < bound - min_size(bound, reserve)) atomic_store_explicit(&is_refused, false, memory_order_relaxed);
    if (!is_large) bound = atomic_load_explicit(&is_refused, memory_order_relaxed) ? hard : hard - reserve / 2;
    do /* never charged for a moment, or others would be refused meanwhile */
        if (nbytes > bound || before > bound - nbytes) return false;
    while (!atomic_compare_exchange_weak(&used, &before, before + nbytes));
    return true;
}

void limit_refund(size_t nbytes)
{
    if (UNLIKELY(options.limit.hard)) atomic_fetch_sub(&used, nbytes);
}

size_t limit_charge_of(const struct span *span)
{
    enum span_state state = span_state(span);
    const struct desc *desc = span_desc(span);
    if (state == SPAN_LARGE) return PEEK(span->nbytes);
    return state < SPAN_CURRENT ? 0 : (size_t)PEEK(desc->carved) * PEEK(desc->size);
}

static size_t count(void)
{
    size_t sum = 0;
    span_for_each (span) sum += limit_charge_of(span);
    return sum;
}

void limit_count_again(void) { atomic_store(&used, count()); }

bool limit_is_right(void) { return !options.limit.hard || atomic_load(&used) == count(); }

void limit_open_reserve(void) { atomic_store_explicit(&is_refused, true, memory_order_relaxed); }

size_t limit_leaves(void)
{
    size_t soft = options.limit.soft, now = atomic_load_explicit(&used, memory_order_relaxed);
    return LIKELY(!options.limit.hard) ? SIZE_MAX : soft - min_size(soft, now);
}
