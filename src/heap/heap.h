/* heap.h - thread heaps: who owns blocks.
 *
 * Each thread has a heap, a record that is recycled whole when the thread exits, and that is never unmapped and never
 * becomes anything else: a pointer to it is good for ever, after exit, after fork, for a stale owner.
 *
 *      thread.heap --> | pairs: {free list, countdown} per class; {bits, countdown} of medium spans | owner only, hot
 *                      | current, available lists, pending remote frees                           | owner only
 *                      | woken spans                                                              | any thread pushes
 *                      | kept large blocks of others' (again.h: of its own)                       | any thread puts and takes
 *
 * thread.heap holds the distance of the record from `heap_empty`, the constant pairs of a heap whose lists are empty: zero, which
 * is what thread-local storage holds before anything has run, is a thread that is not ready, and malloc's fast path needs no
 * check for it. The same number is the owner's identity in a desc.
 *
 * A thread that has no heap (before our constructor, after its own exit, inside a call-back of ours) uses the shared
 * heap under its lock; frees into the shared heap's spans are remote frees, whoever makes them.
 *
 * How a span of small blocks moves, by its owner only unless it says otherwise:
 *
 *      span_take -> CURRENT -> FULL -> AVAILABLE -> CURRENT ...        AVAILABLE -> span_give
 *                 carve      exhausted   some frees     list empty        all free
 *                                  \-> all blocks freed by other threads: the last of them gives it back */
#ifndef MSPACE_HEAP_H
#define MSPACE_HEAP_H

#include "../base/bits.h"
#include "../span/span.h"

/* Blocks on their way to their owner: bits of one of a span's words (remote.h). */
struct pending {
    uintptr_t key; /* the span's start | number of the word; 0 none */
    uint64_t bits;
};

enum {
    KEPT_PLACES = 4,     /* large blocks that a heap keeps: as many as zlib's deflateInit takes, which are of 5 slices; */
    KEPT_SLICES = 8,     /* half a megabyte at most, and at first as much that its thread may have again (again.h): */
    AGAIN_SLICES = 4,    /* of one; */
    AGAIN_MOST = 256,    /* of all together, */
    AGAIN_SHARES = 6,    /* or so many times a heap's share of dirty=; */
    AGAIN_LARGER = 32,   /* in use that have a slice more than they need; */
    INSTEAD_SLICES = 16, /* of one larger than those, for which malloc gives no more of them than it takes; */
    AGAIN_LITTLE = 16,   /* what part of what is in use is little */
    FLOCK = 16,          /* slices that are taken or given at once by who has twice as many, and no more are granted */
    NPENDING = 256,      /* words that may be gathering: 8 for a class; classes 32 apart share theirs */
    PENDING_WAYS = 8,
    PENDING_MAX = 64 << 10, /* bytes a heap gathers at most */
    ROW = 16,               /* others' blocks that are freed in a row, and nothing allocated, are many */
    YOUNG = 4,              /* blocks of a class that a heap takes first from the shared heap */
    YOUNG_MEDIUM = 16,      /* of a medium class: 8 python threads hold 0.92 of what they do with 4, and no less with 64 */
    BORROWED = 8,           /* then so many from a larger class (refill.c), */
    OFTEN_USED = 80,        /* above so many bytes */
};

INLINE uint64_t heap_bit(unsigned class) { return class < NSMALL ? 0 : (uint64_t)1 << (class - NSMALL); }
INLINE unsigned heap_nyoung(unsigned class) { return class < NSMALL ? YOUNG : YOUNG_MEDIUM; }
INLINE unsigned heap_nfirst(unsigned class) { return heap_nyoung(class) + BORROWED; }

/* Spans that its thread has freed and may have again, by slices (again.h). */
struct again {
    uint32_t last[AGAIN_SLICES];   /* by slices: the index of the one that came last, and 1; 0 none */
    uint16_t nslices, room, least; /* of all: how many there are, may be, and have been at least since the last look */
    uint16_t nlarger;              /* large blocks that got one of a slice more, but for those that have been put here since */
    uint8_t refused;               /* bit n: one of n slices found no room, since malloc found none of them */
    bool is_used;                  /* whether malloc of a large block has looked here since the last look */
};

/* Two pages: the second is touched by those only that free what others have allocated. */
struct heap {
    struct pair pairs[NCLASSES];
    struct pair bits[NCLASSES - NSMALL]; /* of current medium spans: heap_pair() */
    struct span *current[NCLASSES];
    struct list available[NCLASSES];
    /* blocks of a class that were not found in its pair, heap_nfirst() at most; then spans (refill.c) */
    uint8_t nfirst[NCLASSES];
    uint8_t nsought;   /* spans looked for */
    uint64_t attached; /* small classes of which a span ever was attached (listed.c) */
    /* small classes of which its lists take no more of others' blocks until they are empty (listed.c) */
    uint64_t sated;
    bool reuses, has_others; /* whether its lists take others' blocks at all, and whether any may be there */
    uint16_t hand;           /* which of what is gathered in `pending` is posted next */
    /* small classes whose blocks are freed in bulk: nobody has wanted one since all that were listed have gone home (listed.c) */
    uint64_t bulk;
    /* medium classes (heap_bit) of which a span was given back since malloc last looked for one (event.c) */
    uint64_t emptied;
    uint32_t nhad, nothers; /* blocks that its thread has got of late, and others' that it has freed (refill.c); */
    /* of which many come in a row: what a class looked like at one of them, and how often still at the ROWth after (listed.c) */
    struct {
        uint32_t state;
        uint16_t nsame;
        uint8_t class;
    } row;
    uint32_t index; /* place in the table of heaps */
    uint16_t nslow; /* slow roads taken, for what is done every so often */
    /* when the next look at its spans is due, whichever its thread is, and the slice at which it begins (trim.c) */
    uint64_t patrol_due;
    uint32_t patrol_at;
    uint32_t room; /* bytes that may yet be gathered in `pending` */
    struct again again;
    _Atomic(uint32_t) busy; /* set around slow rungs: a child of fork reads nothing owner-only of a busy heap */

    _Atomic(uint32_t) nturns; /* odd while a medium span becomes current or is let go: its desc and the pairs disagree */
    _Atomic(struct span *) woken __attribute__((aligned(CACHE_LINE)));
    _Atomic(struct span *) kept[KEPT_PLACES]; /* freed large blocks, for its next (large.c) */
    _Atomic(uint32_t) nripe;                  /* slices of woken spans that are all free by now */
    _Atomic(uint32_t) state;                  /* enum heap_state */
    _Atomic(uint32_t) pool_next;              /* while pooled: index + 1 of the next, and */
    uint32_t pooled_since;                    /* heap_pooled_now() when that was first seen, 0 not yet (trim.c) */
    _Atomic(uint32_t) nunripe;                /* woken spans that whoever looked for ripe ones has left */
    _Atomic(bool) is_untrimmed;               /* while pooled: blocks have come back since it was trimmed, if it was */

    struct pending pending[NPENDING] __attribute__((aligned(PAGE)));
} __attribute__((aligned(PAGE)));

_Static_assert(sizeof(struct heap) == 2 * PAGE, "a hundred idle threads are a hundred pages");
_Static_assert(offsetof(struct heap, pairs) == 0, "heap_pairs()");

/* Where what is free of the class's current span is: small blocks are on the class's list itself. */
INLINE struct pair *heap_pair(struct heap *heap, unsigned class)
{
    return class < NSMALL ? &heap->pairs[class] : &heap->bits[class - NSMALL];
}

enum heap_state { HEAP_UNUSED, HEAP_OWNED, HEAP_POOLED, HEAP_SHARED, HEAP_LOST };

/* The first thread's heap and the shared one; all others are mapped. */
enum { SHARED = 1, NSTATIC = 2 };
extern struct heap heaps_static[NSTATIC] HIDDEN;
INLINE bool heap_is_shared(const struct heap *heap) { return heap == &heaps_static[SHARED]; }

extern const struct pair heap_empty[NCLASSES];
extern uint64_t heap_secret HIDDEN;
extern bool heaps_reuse HIDDEN; /* PEEK. Whether any heap has ever reused others' blocks */

/* PEEK. A heap's share of dirty=, in slices: of large blocks it keeps that at most, and its wide lists of medium ones hold twice
 * as much. And what it may have of those that it has again (again.h). 0 under a limit, which does not charge what is free. */
extern size_t heap_share HIDDEN, heap_again_share HIDDEN;
INLINE size_t heap_kept_most(void) { return min_size(KEPT_SLICES, PEEK(heap_share)); }

struct thread {
    uintptr_t frees; /* whose blocks free takes without a second look: `heap`'s; 0, nobody's, while that one reuses others' */
    uintptr_t heap;  /* the heap that the fast paths use; 0 none */
    uintptr_t own;   /* this thread's heap, also in a mode that keeps the fast paths empty; 0 none */
    uint32_t state;  /* enum thread_state */
    uint32_t guard;  /* recursion guard: how deep in call-backs (preload/guard.h) */
    uint32_t shared; /* holds the shared heap */
    uint32_t nfrees; /* of others' blocks, without a heap */
};

enum thread_state { THREAD_NEW, THREAD_LIVE, THREAD_GONE };

extern __thread struct thread thread __attribute__((tls_model("initial-exec"))) HIDDEN;

INLINE struct pair *heap_pairs(uintptr_t identity) { return (struct pair *)((uintptr_t)heap_empty + identity); }
INLINE struct heap *heap_of_identity(uintptr_t identity) { return (struct heap *)(void *)heap_pairs(identity); } /* not 0 */
INLINE uintptr_t heap_identity(const struct heap *heap) { return (uintptr_t)heap - (uintptr_t)heap_empty; }

/* The heap that owns a span, from its desc; NULL for a large one or none. */
INLINE struct heap *heap_of_owner(uintptr_t owner)
{
    return owner > OWNER_LARGE ? heap_of_identity(owner & ~(uintptr_t)OWNER_MEDIUM) : NULL;
}
INLINE struct heap *heap_of_span(const struct span *span) { return heap_of_owner(PEEK(span_desc(span)->owner)); }
INLINE uintptr_t heap_owner(const struct heap *heap, unsigned class)
{
    return heap_identity(heap) + (class < NSMALL ? 0 : OWNER_MEDIUM);
}

/* Frees after which a full span is worth allocating from again: so many that each visit pays, not so many that the blocks which
 * wait add up. With a quarter of the span, at most 16, git-repack held 1.12 of glibc's memory and sqlite 1.03; with a sixteenth
 * 1.05 and 1.01. */
enum { FREES_TO_WAKE = 16 };
INLINE unsigned span_wake(const struct span *span)
{
    return span_is_small(span) ? (unsigned)min_size(PEEK(span->capacity) / 16, FREES_TO_WAKE) : 1;
}

/* The least that a free of one of the span's blocks takes off `due` (event.c). */
INLINE uint64_t heap_unit(const struct span *span) { return span_is_small(span) ? (uintptr_t)span_address(span) : 1; }

/* What is due of a span that is let go; and of a current one, where it means that once in so many frees something else is done:
 * 0.1 % of a free (without the clock's pause a pair is 3.3 ns on Zen 5, not 2.6). If others are attached, in so many bytes, and
 * blocks at least; fewer if some are others' (listed.c). */
enum { PATROL_EVERY = 1024, LISTED = 64 << 10, LISTED_LEAST = 64 };
enum { REUSED = 8 << 10, REUSED_LEAST = 16 }; /* figures: ../README.md */
INLINE uint64_t heap_due_at_wake(const struct span *span) { return span_wake(span) * heap_unit(span) - 1; }
INLINE uint64_t heap_due_while_current(const struct heap *heap, const struct span *span)
{
    const struct desc *desc = span_desc(span);
    bool is_mixed = desc->class < NSMALL && heap->attached >> desc->class & 1;
    size_t n = heap->reuses ? max_size(REUSED_LEAST, REUSED / desc->size) : max_size(LISTED_LEAST, LISTED / desc->size);
    return (is_mixed ? min_size(PATROL_EVERY, n) : PATROL_EVERY) * heap_unit(span);
}

/* Of a current span: all that once again. What has come meanwhile the thread had got before. */
INLINE void heap_wind_up(struct heap *heap, const struct span *span, struct pair *pair)
{
    uint64_t whole = heap_due_while_current(heap, span);
    if ((int64_t)pair->due < (int64_t)whole) heap->nhad += (uint32_t)((whole - pair->due) / heap_unit(span));
    pair->due = whole;
}

/* A block of the class is freed that is another's, and not reused. Owner only. */
void heap_look_at_row(struct heap *heap, unsigned class);
INLINE void heap_count_others(struct heap *heap, unsigned class)
{
    if (UNLIKELY(++heap->nothers % ROW == 0)) heap_look_at_row(heap, class);
}

/* Makes the first heap. Once, after range_start; the shared heap is made when it is first taken. */
void heap_start(uint64_t secret);

/* The calling thread's heap, or NULL for a thread that has none. */
INLINE struct heap *heap_own(void) { return thread.own ? heap_of_identity(thread.own) : NULL; }

/* Gives the calling thread a heap: a recycled one, else a new one. NULL: out of memory. */
struct heap *heap_acquire(void);

/* Takes the calling thread's heap away and pools it. The thread uses the shared heap from now on. */
void heap_retire(void);

/* Before abort(): lets go of the shared heap and of the own one, whatever state they are in, so that a handler of SIGABRT can
 * allocate. */
void heap_abandon(void);

/* Heap number i of the table, NULL past the last. Records only grow in number. */
struct heap *heap_at(size_t index);
size_t heap_count(void);

/* Whether this is the only thread there has ever been. */
bool heap_is_alone(void);

/* The pools of heaps whose threads are gone: as these have left them, and trimmed since. Puts one in; takes one out, or NULL; one
 * of either, a trimmed one if there is no other. Lock-free, any thread. */
enum heap_pool { POOL_LEFT, POOL_TRIMMED };
void heap_pool(struct heap *heap, enum heap_pool in);
struct heap *heap_unpool(enum heap_pool from);
struct heap *heap_unpool_any(void);
extern _Atomic(bool) heaps_untrimmed HIDDEN; /* whether one may be in the latter whose blocks have come back since */

/* The slow rung, owner only (or the shared heap, taken). A block of the class, or a larger one; *is_zero, false so far, is set if
 * it reads zero. NULL: out of memory. */
void *heap_refill(struct heap *heap, unsigned class, bool *is_zero);

/* The shared heap and its lock, by any thread. And the same rung of it, under the lock. */
struct heap *heap_take_shared(void);
void heap_drop_shared(void);
void *heap_refill_shared(unsigned class, bool *is_zero);

/* The head of a small class's list, NULL if there is none: what malloc takes if the next block is in another span. What is not as
 * free left it is told and, with what is behind it, lost. Owner only. */
void *heap_pop_listed(struct block **list, const char *entry);

/* The free of `block`, which is the owner's, made `due` underflow. */
void heap_event(void *block);

/* Gives a span of blocks, all free and off every list, back to the page level; give without a look at what they hold. */
void heap_release(struct span *span);
void heap_give(struct span *span);

/* All blocks of an AVAILABLE span have come back: it goes, unless it stands on a stack of woken spans. Owner only. */
void heap_vacate(struct span *span);

/* Of a current medium span: gives it back if no block is out, on the class's list or freed by others; returns how many are. Owner
 * only. */
unsigned heap_end_current(struct heap *heap, struct span *span);

/* Gives back the current medium spans of which nothing is out, and half has been carved (../README.md); or all, and puts small
 * ones in line. One that stands on a stack of woken spans stays on its list: it has been full, so it is carved whole, as the law
 * wants. Owner only. */
void heap_shed(struct heap *heap, bool all);

/* All blocks of a medium class's list go to their spans, as heap_shed has them do first. Owner only. */
void heap_send_home(struct heap *heap, unsigned class);

/* Owner only, for refills. Adds a word of a span's remote bits to a pair, and returns its weight; all of one that is AVAILABLE,
 * or FULL and becomes so, to its own pair; a little of what never crossed a threshold. */
uint64_t heap_absorb(struct span *span, struct pair *pair, unsigned word);
void heap_take_in(struct span *span);
void heap_take_in_line(struct span *span); /* of one in line, which goes if nothing of it is out then */
void heap_draw_net(struct heap *heap, unsigned class);

/* From now on the calling thread's frees put others' blocks on the lists of its heap, or no longer (listed.c). Owner only. */
void heap_reuse(struct heap *heap, bool reuses);

/* A block of a small span's, which is the heap's, on the list of its class: out as far as the span knows; NULL. */
const struct block *heap_find_listed(const struct heap *heap, const struct span *span);

/* What `due` of an available span is before any of its blocks has come back. */
uint64_t heap_due(const struct span *span);

/* Spans that other threads have woken: makes them available, gives the empty ones back. So many; false if some are left. Few are
 * as many as malloc may wait for: 7 to 20 us each, if what was freed is cold. */
enum { WOKEN_FEW = 16 };
bool heap_collect_woken(struct heap *heap, unsigned most);

/* Everything that can be drained at once: kept, pending, woken, remote bits of available spans; and what can be shed. */
void heap_drain(struct heap *heap, bool sheds);

/* trim.c, owner only. For malloc_trim: drains the heap (NULL: none) and those whose threads are gone, gives back what they keep
 * and the pages on which only free blocks of their spans lie; returns the bytes of such pages. And a look at how much is dirty
 * and, if it is time for one, at some spans. */
size_t heap_trim(struct heap *heap);
void heap_patrol(struct heap *heap);
/* By any thread: of the latter, those of which something has come back since, or all; and that were first seen so many ticks ago,
 * some at a time. */
size_t heap_trim_pooled(uint64_t rest, bool all);
void heap_bring_back(struct span *span); /* the small blocks that are gone with their pages, before the span is current */
struct block *heap_find_gone(const struct span *span); /* one such that is on the span's list: freed a second time; NULL */

/* In units of 64 to 128 ms (bits_ticks), in 32 bits: what is less than four years apart compares right. Not 0. */
#define POOLED_UNIT ((uint64_t)1 << 28)
INLINE uint32_t heap_pooled_now(void) { return (uint32_t)(bits_ticks() / POOLED_UNIT) | 1; }

/* Bytes that a list of medium blocks holds; and beyond those all wide ones, of a thread that frees in bulk and asks again. Blocks
 * that one holds at first, and bytes that a narrow one does. Besides, its room may say that it is closed, or narrow, and how
 * often it will be yet (listed.c). */
enum {
    ROOM = 128 << 10,
    ROOM_WIDE = 4 << 20,
    LIST_FEW = 3, /* less than ROOM of any class */
    ROOM_NARROW = 16 << 10
};
enum { NARROW = GRANULE - 1, LIST_CLOSED = -GRANULE };

/* At the list of a medium class, or it might keep a span of which all else is free: one that begins where it did at the last look
 * goes home, and holds no more until somebody asks; but if it is full, it may get more room instead. Owner only. */
void heap_look_at_list(struct heap *heap, unsigned class, bool was_refused);

/* The end of a slow road, `heap` NULL if there is none. Not a look each time: with 16 threads the clock, and a line of all, are
 * 1.19 of larson. */
enum { PATROL_ROADS = 16 };
INLINE void heap_patrol_now_and_then(struct heap *heap)
{
    if (UNLIKELY(!heap)) purge_if_due();
    else if (UNLIKELY(++heap->nslow % PATROL_ROADS == 0)) heap_patrol(heap);
}
INLINE void heap_patrol_at_next(struct heap *heap) { heap->nslow |= PATROL_ROADS - 1; }

/* Undoes what a fork left of other threads' heaps; `own` is spared, but nothing is kept in any: spans_repair, which must be next,
 * frees that. are_all_gone false: one of them may be in use. One thread at a time, before any other takes a slow rung
 * (src/api/life.c). */
void heaps_repair(struct heap *own, bool are_all_gone);

/* Whether a fork has ever left heaps of vanished threads behind in this process. */
extern bool heaps_have_vanished;

/* A busy heap is inside a slow rung. Not nested. */
INLINE void heap_enter(struct heap *heap)
{
    atomic_store_explicit(&heap->busy, 1, memory_order_relaxed);
    STORE_ORDER();
}
INLINE void heap_leave(struct heap *heap)
{
    STORE_ORDER();
    atomic_store_explicit(&heap->busy, 0, memory_order_relaxed);
}

#endif
