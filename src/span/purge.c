/* purge.c - giving memory back: bounded by amount, done by whoever exceeds the bound, never under a lock.
 *
 * The free that leaves more dirty memory than is allowed gives spans back, largest first and among those the oldest, at
 * most 2 MiB with each system call so that nobody waits long for the range. Allowed is
 *
 *      min(max(dirty=, live / 32, (2 * peak - live) * min(1, 2 - max(3 * shrunk, 6 * drained) / peak)),
 *          max(dirty= / 4, dirty - stale))
 *
 * peak is the most that has been live of late: it sinks by a 64th of what is taken and given. shrunk tells a program that has
 * shrunk from one that churns, which will want the memory back at once: it grows with what is given, and falls by 16 times what
 * is taken. Takes that alternate with gives, however unequal, so keep it near nothing, and nothing is purged that would be
 * touched again; gives alone bring what churns to nothing by the time that they have given two thirds of the peak; or a third, of
 * which no give counts for more than a 128th of the peak (drained): many small ones are no churn of large blocks, and a heap that
 * is freed at random never gives as much as two thirds. The 2 is for fragmentation. And once in a second or two the least that
 * has been dirty since the last time is stale: nobody has wanted it all the while, however much was taken and given.
 *
 * What a large block takes anew, for nothing dirty would do, is exchanged for as much that is dirty, but for a megabyte: to touch
 * it will cost more than to purge that, and the program holds no more than before. So is what is given back next, if that is
 * three quarters of it at most: a vector has been copied to where it has room to grow, and touches that while nobody wants its
 * old place, too small for the next one.
 *
 * A program that works in phases, or gets a large block again and again, wants back what it gave: a slice that is purged and then
 * taken again (dirty.h) was purged in vain, and cost some 40 us of faults. For a hundred times as long (CALM) shrunk, drained and
 * stale are not looked at, or nothing is exchanged, and for twice as long as before if it turns out soon after that much of the
 * next purge was in vain, too. So purging in vain costs a hundredth of the time at most, and in the end nothing: malloc, write
 * and free of 5 MB take 10 us, not 700. An exchange in vain puts off exchanges alone, and for sixteen times as long: who wants
 * back what it has just given churns.
 *
 * Purging waits half a millisecond, unless there is far too much: frees come in bursts, and their maker should not wait. For the
 * same reason nobody purges for longer than that at a time; or 4 ms, if there is far too much, as after CALM; or however long it
 * takes, who has freed that much himself, a huge block, or in exchange. */
#include "dirty.h"
#include "../os/map.h"
#include "../os/options.h"
#include "../base/bits.h"

static const size_t STEP = 2 * MIB / SLICE_SIZE, BURST = 64 * MIB;
/* In ticks: half a millisecond, 4; 4 for a slice, 8 s, a minute; 1 to 2 s. */
static const uint64_t GRACE = (uint64_t)1 << 20, PATIENCE = (uint64_t)1 << 23, CALM = (uint64_t)1 << 23,
                      CALM_LONG = (uint64_t)1 << 34, CALM_MAX = (uint64_t)1 << 37, SECOND = (uint64_t)1 << 32;

static struct span_totals *const totals = &spans.totals;

static size_t dirty_now(void) { return PEEK(totals->dirty) << SLICE_SHIFT; }

static void set(size_t *total, size_t n) { __atomic_store_n(total, n, __ATOMIC_RELAXED); }
static size_t less(size_t n, size_t less) { return n - min_size(n, less); }

/* Ticks of calm that are left. Those of another processor, or of before the machine slept, count for nothing. */
static uint64_t calm_left(const struct calm *calm)
{
    uint64_t until = PEEK(calm->until), left = until ? until - bits_ticks() : 0;
    return left <= CALM_MAX ? left : 0;
}

static size_t dirty_allowed(void)
{
    size_t live = PEEK(totals->live), peak = PEEK(totals->peak), shrunk = PEEK(totals->shrunk), drained = PEEK(totals->drained);
    size_t stale = PEEK(totals->stale);
    if (calm_left(&totals->purging)) shrunk = drained = stale = 0;
    size_t gone = min_size(2 * peak, max_size(3 * shrunk, 6 * drained)), churn = 0;
    if (gone < 2 * peak) churn = (2 * peak - min_size(2 * peak, live)) * min_size(peak, 2 * peak - gone) / peak;
    size_t most = max_size(options.dirty, max_size(live / 32, churn) << SLICE_SHIFT);
    return stale ? min_size(most, max_size(options.dirty / 4, less(PEEK(totals->dirty), stale) << SLICE_SHIFT)) : most;
}

static void note(size_t nslices) { set(&totals->peak, max_size(totals->live, less(totals->peak, nslices / 64))); }

/* Of `purged` slices so many. */
static void regret(struct calm *calm, size_t nslices, size_t purged)
{
    uint64_t now = bits_ticks(), more = CALM * min_size(nslices, SLICES_MAX), left = calm_left(calm);
    bool is_anew = !left && now - calm->until < calm->ticks && nslices >= purged / 8;
    if (!left) left = calm->ticks = is_anew ? min_size(2 * calm->ticks, CALM_LONG) : 0;
    calm->ticks += more;
    __atomic_store_n(&calm->until, now + min_size(left + more, CALM_MAX), __ATOMIC_RELAXED);
}

/* Slices that the last large block has taken clean, and nothing was purged for; and that were purged because they had been
 * outgrown, and have not been taken again. */
static struct {
    struct calm calm;
    uint32_t owed, npurged;
} outgrown;

void purge_note_take(size_t nslices, size_t nagain)
{
    size_t in_vain = min_size(nagain, totals->purged);
    if (in_vain) regret(&totals->purging, in_vain, totals->purged);
    size_t noutgrown = min_size(nagain, PEEK(outgrown.npurged)); /* as far as anybody knows */
    if (noutgrown) regret(&outgrown.calm, 16 * noutgrown, 0);
    if (nagain > noutgrown) regret(&totals->exchanging, 16 * (nagain - noutgrown), 0);
    __atomic_fetch_sub(&outgrown.npurged, (uint32_t)noutgrown, __ATOMIC_RELAXED);
    totals->purged -= in_vain;
    set(&totals->shrunk, less(totals->shrunk, 16 * nslices));
    set(&totals->drained, less(totals->drained, 16 * nslices));
    set(&totals->stale, min_size(totals->stale, totals->least = min_size(totals->least, totals->dirty)));
    note(nslices);
}

void purge_note_give(size_t nslices)
{
    set(&totals->shrunk, totals->shrunk + nslices);
    set(&totals->drained, totals->drained + min_size(nslices, totals->peak / 128));
    note(nslices);
}

/* Of slices that were blocks which other threads freed, the words of bits are resident, too: a 128th at most. Those of a free
 * span, which ends at `span_end`, are all zero by now; a page of them goes with the first of its slices. */
static void discard_bits(size_t from, size_t end, size_t span_end)
{
    for (size_t i = round_up(from, REMOTE_SLICES); i < end && i + REMOTE_SLICES <= span_end; i += REMOTE_SLICES)
        os_discard(range.remote[i / REMOTE_SLICES], sizeof range.remote[0]);
}

/* Spans that the kernel would not purge, out of everybody's reach until the end of the step: a program locks a page and frees the
 * block, and the rest is to be purged all the same. Of many one need not try all (mlockall). */
enum { ASIDE_MAX = 8 };
struct aside {
    struct span *spans[ASIDE_MAX];
    unsigned n;
    bool is_exchange; /* what is purged meanwhile is */
};

static void come_back(unsigned n)
{
    __atomic_store_n(&spans.npurged, spans.npurged + n, __ATOMIC_RELAXED);
    __atomic_store_n(&spans.npurging, spans.npurging - n, __ATOMIC_RELAXED);
}

/* Purges the last dirty run of a span, or 2 MiB of it, with the span out of reach and the lock free meanwhile: blocks are
 * taken from the other end. Adds the slices purged to *done. False: there are none, or the kernel refuses. */
static bool purge_one(struct aside *aside, size_t *done)
{
    lock_take(&spans.lock);
    struct span *span = span_take_dirtiest();
    if (!span) return lock_drop(&spans.lock), false;
    size_t index = span_index(span), span_end = index + span_nslices(span), end = dirty_end(index, span_end - index),
           from = end - 1;
    while (from > index && from % STEP && dirty_count(from - 1, 1)) from--; /* to the start of a huge page, not further */
    span_set_state(span, SPAN_PURGING);
    __atomic_store_n(&spans.npurging, spans.npurging + 1, __ATOMIC_RELAXED);
    lock_drop(&spans.lock);

    bool is_done = os_discard((void *)(range.base + (from << SLICE_SHIFT)), (end - from) << SLICE_SHIFT);
    if (is_done) discard_bits(from, end, span_end);
    if (is_done && !aside->is_exchange && (from / STEP * STEP < index || round_up(end, STEP) > span_end)) huge_forgo(from);
    if (!is_done || !seam_heal(from, end, span_end)) return aside->spans[aside->n++] = span, aside->n < ASIDE_MAX;

    lock_take(&spans.lock);
    come_back(1);
    dirty_purge(from, end - from);
    totals->purged += aside->is_exchange ? 0 : end - from;
    set(&totals->stale, less(totals->stale, end - from)), totals->least = less(totals->least, end - from);
    span->ndirty -= end - from;
    span_put_free(span);
    lock_drop(&spans.lock);
    *done += end - from;
    return true;
}

/* Until there is no more than `keep`, or so many ticks have passed; 0: however long it takes. */
static size_t purge_for(uint64_t ticks, size_t keep, bool is_exchange)
{
    struct aside aside = {.is_exchange = is_exchange};
    size_t done = 0;
    uint64_t start = ticks ? bits_ticks() : 0;
    while (dirty_now() > keep && (!ticks || bits_ticks() - start < ticks) && purge_one(&aside, &done)) continue;
    if (!aside.n) return done << SLICE_SHIFT;
    lock_take(&spans.lock);
    come_back(aside.n);
    while (aside.n) span_put_free(aside.spans[--aside.n]);
    lock_drop(&spans.lock);
    return done << SLICE_SHIFT;
}

size_t purge_down_to(size_t keep) { return purge_for(0, keep, false); }

/* Whether there has been too much for half a millisecond, or there is far too much. Once it is time it stays so until there is
 * clearly less. */
static bool is_time(size_t dirty, size_t allowed)
{
    static _Atomic(uint64_t) since; /* tick at which there was first too much, 0: there is not */
    uint64_t first = atomic_load_explicit(&since, memory_order_relaxed);
    if (dirty <= allowed) {
        if (first && dirty < allowed / 4 * 3) atomic_store_explicit(&since, 0, memory_order_relaxed);
        return false;
    }
    uint64_t now = bits_ticks() | 1;
    if (!first) atomic_store_explicit(&since, first = now, memory_order_relaxed);
    return now - first > GRACE || dirty - allowed > BURST;
}

/* None has passed if the clock of this processor is behind. */
static void grow_old(void)
{
    uint64_t now = bits_ticks();
    if ((int64_t)(now - PEEK(totals->aged)) < (int64_t)SECOND) return;
    lock_take(&spans.lock);
    if ((int64_t)(now - totals->aged) >= (int64_t)SECOND) { /* no other thread was first */
        set(&totals->stale, totals->least);
        totals->least = totals->dirty;
        __atomic_store_n(&totals->aged, now, __ATOMIC_RELAXED);
    }
    lock_drop(&spans.lock);
}

/* Down to `keep`, of the last `burst` bytes as much as goes in half a millisecond, of what is more as goes in `ticks`; without a
 * burst it is an exchange. Nothing if the kernel has refused when there was about as much: it is asked again an eighth later. */
static void purge_unless_refused(size_t keep, size_t burst, uint64_t ticks)
{
    static _Atomic(size_t) refused;
    size_t before = dirty_now(), last = atomic_load_explicit(&refused, memory_order_relaxed);
    if (last && before > last / 8 * 7 && before < last + last / 8) return;
    size_t done = purge_for(ticks, keep + burst, !burst) + purge_for(GRACE, keep, !burst);
    atomic_store_explicit(&refused, !done && dirty_now() > keep ? before : 0, memory_order_relaxed);
}

COLD void purge_slowly(bool is_patient)
{
    grow_old();
    size_t allowed = dirty_allowed();
    if (dirty_now() > limit_leaves()) purge_down_to(limit_leaves());
    if (is_time(dirty_now(), allowed)) purge_unless_refused(allowed, BURST, is_patient ? 0 : PATIENCE);
}

enum { LOOKS = 8 };
void purge_now_and_then(size_t nslices)
{
    uint32_t nlooks = PEEK(spans.nlooks) + 1;
    bool is_sparing = options.limit.hard || options.dirty < 4 * MIB; /* less than the default */
    __atomic_store_n(&spans.nlooks, nlooks, __ATOMIC_RELAXED);
    bool looks = nslices >= PURGE_FLOOR || is_sparing || nlooks % LOOKS == 0;
    if (looks && PEEK(totals->dirty) > PURGE_FLOOR) purge_slowly(nslices >= BURST >> SLICE_SHIFT);
}

COLD void purge_at_leisure(void) { purge_down_to(min_size(dirty_allowed(), limit_leaves())); }

/* Slices. Returns how many were purged. */
static uint32_t purge_instead(size_t nslices, const struct calm *calm)
{
    size_t dirty = PEEK(totals->dirty), keep = max_size(PURGE_FLOOR, less(dirty, nslices));
    if (dirty <= keep || calm_left(calm)) return 0;
    purge_unless_refused(keep << SLICE_SHIFT, 0, 0);
    return (uint32_t)(dirty - keep);
}

static void set_owed(size_t nslices) { __atomic_store_n(&outgrown.owed, (uint32_t)nslices, __ATOMIC_RELAXED); }

void purge_in_exchange(size_t nclean) { set_owed(nclean - purge_instead(nclean, &totals->exchanging)); }

void purge_outgrown(size_t nslices)
{
    bool is_outgrown = nslices <= PEEK(outgrown.owed) / 4 * 3;
    set_owed(0);
    if (is_outgrown) __atomic_fetch_add(&outgrown.npurged, purge_instead(nslices, &outgrown.calm), __ATOMIC_RELAXED);
}
