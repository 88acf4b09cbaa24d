/* seam.c - ranges that mremap has moved: each keeps a mapping of its own for ever, wherever its pages go, and the system allows a process
 * 65,530 of them. A fresh mapping in its place joins its neighbours again.
 *
 * Noted in the record of its first slice is how long a range is. Purging puts a fresh mapping there as soon as all of it lies in one free span
 * and none of it is dirty; that of a block on which others have settled meanwhile has to wait. So there may be so many at a time: 24, and
 * 24 more for each GiB of heap, which makes twice as many mappings. Beyond that blocks are copied. */
#include "span.h"
#include "../os/map.h"

static _Atomic(size_t) nseams;

static void wipe(size_t from, size_t n)
{
    for (struct span *span = range.records + from; n--; span++) {
        if (!span->nmoved) continue;
        span->nmoved = 0;
        atomic_fetch_sub_explicit(&nseams, 1, memory_order_relaxed);
    }
}

void seam_move(size_t from, size_t to, size_t n)
{
    wipe(to, n);
    for (size_t done = 0, length; done < n; done += length) {
        length = min_size(range.records[from + done].nmoved, n - done);
        if (!length) length = n - done; /* never moved before */
        range.records[to + done].nmoved = (uint32_t)length;
        atomic_fetch_add_explicit(&nseams, 1, memory_order_relaxed);
    }
    wipe(from, n);
}

bool seam_replace(size_t from, size_t n)
{
    if (!os_replace((void *)(range.base + (from << SLICE_SHIFT)), n << SLICE_SHIFT)) return false;
    range_advise_again(from, n);
    wipe(from, n);
    return true;
}

bool seam_heal(size_t from, size_t end, size_t limit)
{
    for (; from < end; from++) {
        size_t n = range.records[from].nmoved;
        if (n && from + n <= limit && !seam_replace(from, n)) return false;
    }
    return true;
}

size_t seam_count(void) { return atomic_load_explicit(&nseams, memory_order_relaxed); }

bool seam_may_be_put(void) { return seam_count() < 24 + 24 * ((PEEK(spans.totals.live) << SLICE_SHIFT) / GIB); }
