/* seam.c - ranges that mremap has moved: each stays a mapping of its own, of which the system allows a process 65,530, until a
 * fresh one in its place joins its neighbours. How long it is is noted in the record of its first slice. Purging replaces it as
 * soon as all of it lies in one free span and none of it is dirty; that of a block on which others have settled meanwhile has to
 * wait. So there may be so many at a time: 24, and 24 more for each GiB of heap, which makes twice as many mappings. Beyond that
 * blocks are copied. */
#include "span.h"
#include "../os/map.h"

static _Atomic(uint32_t) nseams;

static size_t noted(size_t at) { return PEEK(range.records[at].nmoved); }

/* Notes a range of n slices, or that there is none. Returns what was noted before. */
static size_t note(size_t at, size_t n)
{
    size_t before = __atomic_exchange_n(&range.records[at].nmoved, (uint32_t)n, __ATOMIC_RELAXED);
    atomic_fetch_add_explicit(&nseams, (uint32_t)(n > 0) - (before > 0), memory_order_relaxed);
    return before;
}

/* What a range has beyond the right end stays as it is, and is noted there, in a span that may be another thread's: should that
 * replace it at this instant, a note too much remains, which is healed like any other. */
static void wipe(size_t from, size_t n)
{
    for (size_t at = from, end = from + n; at < end; at++) {
        size_t beyond = noted(at) ? at + note(at, 0) : end;
        if (beyond > end) note(end, max_size(noted(end), beyond - end));
    }
}

/* Each mapping that the slices have is one of its own there, too: it reaches to where its note says, or to where another
 * begins. */
void seam_move(size_t from, size_t to, size_t n)
{
    wipe(to, n);
    for (size_t i = 0, length; i < n; i += length) {
        size_t most = noted(from + i) ? min_size(noted(from + i), n - i) : n - i;
        for (length = 1; length < most && !noted(from + i + length);) length++;
        note(to + i, length);
    }
    wipe(from, n);
}

bool seam_replace(size_t from, size_t n)
{
    if (!os_replace((void *)(range.base + (from << SLICE_SHIFT)), n << SLICE_SHIFT)) return false;
    huge_advise_again(from, n);
    wipe(from, n);
    return true;
}

static bool fill(uintptr_t at, size_t nbytes)
{
    enum os_answer answer = os_is_mapped((void *)at, nbytes) ? OS_DONE : os_map_here((void *)at, nbytes);
    size_t half = round_up(nbytes / 2, PAGE);
    if (answer != OS_TAKEN || nbytes == PAGE) return answer == OS_DONE;
    return fill(at, half) && fill(at + half, nbytes - half);
}

bool seam_mend(size_t from, size_t n)
{
    bool is_whole = fill(range.base + (from << SLICE_SHIFT), n << SLICE_SHIFT);
    if (is_whole) huge_advise_again(from, n);
    return is_whole;
}

bool seam_heal(size_t from, size_t end, size_t limit)
{
    for (; from < end; from++) {
        size_t n = noted(from);
        if (n && from + n <= limit && !seam_replace(from, n)) return false;
    }
    return true;
}

size_t seam_count(void) { return atomic_load_explicit(&nseams, memory_order_relaxed); }

bool seam_may_be_put(void) { return seam_count() < 24 + 24 * ((PEEK(spans.totals.live) << SLICE_SHIFT) / GIB); }
