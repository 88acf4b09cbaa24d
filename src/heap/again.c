#include "again.h"

const struct span *again_first(const struct heap *heap, size_t nslices)
{
    return span_numbered(PEEK(heap->again.last[nslices - 1]));
}

uint32_t again_granted;

/* Counts what was really there before: a handler may come in between. */
static void set_room(struct heap *heap, size_t room)
{
    uint16_t had = __atomic_exchange_n(&heap->again.room, (uint16_t)room, __ATOMIC_RELAXED);
    __atomic_fetch_add(&again_granted, (uint32_t)room - had, __ATOMIC_RELAXED);
}

/* Slices that there may be. What is too much when others have come goes at once, for this thread may sleep next. */
static size_t room_of(struct heap *heap)
{
    size_t most = PEEK(heap_again_share), first = heap_kept_most();
    if (UNLIKELY(heap->again.room > most)) {
        set_room(heap, most);
        if (heap->again.nslices > max_size(most, first)) span_give_all(again_take_all(heap, NULL));
    }
    return max_size(heap->again.room, first);
}

/* Twice as much, if its share and what is left for all allow. */
static void grant(struct heap *heap)
{
    size_t all = AGAIN_SHARES * (options.dirty >> SLICE_SHIFT), left = all - min_size(all, PEEK(again_granted));
    size_t wanted = min_size(2 * max_size(room_of(heap), KEPT_SLICES), PEEK(heap_again_share)), had = heap->again.room;
    if (wanted > had && left) set_room(heap, had + min_size(wanted - had, left));
    heap->again.refused = 0;
}

/* Whether all has been granted that may be, it is a good deal, and there is somebody who would wait for the lock. */
static bool is_at_most(const struct heap *heap)
{
    return !heap_is_alone() && heap->again.room >= max_size(2 * FLOCK, PEEK(heap_again_share));
}

/* Adds `left` slices in spans of so many to what is given, or as much as there is. Returns what is left. */
static size_t give_up(struct heap *heap, size_t nslices, size_t left, struct span **given)
{
    for (struct span *span; left && (span = again_pop(heap, nslices)) != NULL; left -= min_size(left, nslices))
        span->woken_next = *given, *given = span;
    return left;
}

/* There is none for so many. */
static bool make_room(struct heap *heap, size_t nslices)
{
    struct span *given = NULL;
    heap->again.refused |= (uint8_t)(1U << nslices);
    if (is_at_most(heap)) give_up(heap, nslices, FLOCK, &given);
    span_give_all(given);
    if (given) purge_now_and_then(FLOCK); /* as who gives a large block away */
    return heap->again.nslices + nslices <= room_of(heap);
}

bool again_has_room(struct heap *heap, size_t nslices)
{
    if (again_has_room_at_once(heap, nslices)) return true;
    return nslices - 1 < AGAIN_SLICES && (heap->again.nslices + nslices <= room_of(heap) || make_room(heap, nslices));
}

bool again_has_room_for_blocks(struct heap *heap, size_t nslices)
{
    if (nslices - 1 >= AGAIN_SLICES) return false;
    size_t all = heap->again.nslices + nslices, room = room_of(heap);
    if (all > room) heap->again.refused |= (uint8_t)(1U << nslices);
    return all <= min_size(room, max_size(KEPT_SLICES, PEEK(heap_share)));
}

struct span *again_instead(struct heap *heap, size_t nslices, enum span_state state, struct span **given)
{
    struct again *again = &heap->again;
    if (nslices - 1 >= INSTEAD_SLICES) return NULL;
    bool is_listed = nslices <= AGAIN_SLICES;
    if (is_listed && again->refused >> nslices & 1) grant(heap);
    bool comes_in_flocks = is_listed && is_at_most(heap);
    if (!again->nslices && !comes_in_flocks) return NULL;
    size_t left = again->nslices > PEEK(spans.totals.live) / AGAIN_LITTLE ? nslices : 0;
    size_t first = min_size(nslices, AGAIN_SLICES - 1); /* larger ones; or the largest */
    for (size_t k = 0; k < AGAIN_SLICES; k++) left = give_up(heap, (first + k) % AGAIN_SLICES + 1, left, given);
    size_t room = comes_in_flocks ? again->room - min_size(again->room, again->nslices) : 0;
    struct span *span = span_give_and_take_some(*given, nslices, state, min_size(FLOCK, room) / nslices),
                *more = span ? span->woken_next : NULL;
    *given = NULL;
    for (struct span *next; more; more = next) next = more->woken_next, more->nbytes = 0, again_put(heap, more, nslices);
    return span;
}

struct span *again_take_all(struct heap *heap, struct span *rest)
{
    for (size_t nslices = 1; nslices <= AGAIN_SLICES; nslices++)
        for (struct span *span = again_cut(heap, nslices), *next; span; span = next)
            next = span->woken_next, span->woken_next = rest, rest = span;
    heap->again.nslices = heap->again.least = 0;
    return rest;
}

void again_look(struct heap *heap)
{
    struct again *again = &heap->again;
    size_t unwanted = min_size(again->least, again->nslices);
    again->is_used = false;
    if (unwanted > min_size(heap_kept_most(), again->nslices - (size_t)1))
        set_room(heap, again->nslices - unwanted), span_give_all(again_take_all(heap, NULL));
    again->least = again->nslices;
}

void again_end(struct heap *heap)
{
    set_room(heap, 0);
    heap->again.refused = heap->again.is_used = 0;
}
