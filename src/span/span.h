/* span.h - the heart: spans, the BLOCK records of this allocator, and the lists that they are on.
 *
 * The heap range is tiled by spans, runs of 64 KiB slices. Three tables run beside it, one entry a slice, at constant
 * distances, so that an address leads to its entries by arithmetic alone and an overflow cannot reach them:
 *
 *      base - 176 GiB         base - 48 GiB            base - 16 GiB              base                       base + limit slices
 *      | bits  (512 B)        | struct span  (128 B)   | struct desc  (64 B)      | slice | slice | slice ... |  grows this way
 *
 *      desc    what free needs: read-mostly, as other threads read it; written when the span changes hands
 *      span    the record: a line for the owner, a line for everybody else (remote frees)
 *      bits    blocks that other threads have freed (remote.h)
 *
 * States, and the one list that a span in it is on:
 *      HOLE       not ours: something else lives there                        none
 *      CLEAN      free, reads zero                                            a clean bin
 *      DIRTY      free, in part resident and holding anything                 a dirty bin
 *      WAITING    free, dirty all over, for the next of just its size         a list of those (wait.c)
 *      PURGING    free, its pages are being given back, without the lock      none
 *      KEPT       was a large block or blocks, for a thread's next            a heap's, or a field of it (again.h, large.c)
 *      CURRENT    small or medium: its heap allocates from it                 none: a field of its heap
 *      AVAILABLE  small or medium: has free blocks                            its heap's list for the class
 *      FULL       small or medium: none free that its owner knows of          none
 *      LARGE      one block                                                   none
 *      LOST       small or medium: its owner vanished in a fork while busy    none
 *
 * Laws (span_verify): spans tile [0, limit) without gap or overlap; a record that is not a span's first says INTERIOR; no two
 * neighbours are CLEAN or DIRTY; ndirty is the number of its dirty slices (dirty.h), CLEAN == (ndirty == 0); every such span is
 * in the bin of its size and kind, and nothing else is; the totals are the sums, and what is charged (limit.c). For a span of
 * blocks: live + free + remote + pending + never carved == capacity (heap).
 *
 * Lock: `spans.lock`, rank 2, for every field of a free span, the bins, the totals, limit. A span in use belongs to its owner.
 * {state, nslices} is one word, stored (release) after everything it makes reachable: split writes the right record, then the
 * left word; join writes the left word, then scraps the right: a photograph of the records taken by fork at any instant tiles the
 * range, and bins and totals can be rebuilt from it. */
#ifndef MSPACE_SPAN_H
#define MSPACE_SPAN_H

#include "../base/list.h"
#include "../os/lock.h"
#include "class.h"

enum span_state {
    SPAN_INTERIOR, /* not a span's first slice */
    SPAN_HOLE,
    SPAN_CLEAN,
    SPAN_DIRTY,
    SPAN_WAITING,
    SPAN_PURGING,
    SPAN_KEPT,
    SPAN_CURRENT,
    SPAN_AVAILABLE,
    SPAN_FULL,
    SPAN_LARGE,
    SPAN_LOST,
};

/* A free block on a list holds this in its first bytes: address ^ next ^ secret (block.h); and a medium one how much more the
 * list may hold. */
struct block {
    uintptr_t link;
    int32_t room;
};

/* Where frees go: the free blocks, and what is due until the next event of the span. Each free takes its weight off `due`
 * (small: the block's address; medium: 1), and the one that makes it underflow raises the event. One subtraction so
 * counts and checks: of a span whose blocks have all come back, the addresses add up, or one came twice (event.c). */
struct pair {
    union {
        struct block *head; /* small: a list */
        uint64_t bits;      /* medium: bit k set, block k is free */
    };
    union {
        uint64_t due;
        struct {
            int32_t room;  /* of a list of medium blocks: bytes that it may hold; 0 or less as long as nobody asks (listed.c); */
            uint16_t seen; /* where it began at the last look, or what was left when it was empty (listed.c, block.h); */
            uint16_t left; /* frees onto it until the next look at what is dirty */
        };
    };
};

/* Other threads may look at a medium pair's bits (remote.h). */
INLINE void pair_set_bits(struct pair *pair, uint64_t bits) { __atomic_store_n(&pair->bits, bits, __ATOMIC_RELEASE); }
INLINE void pair_set(struct pair *pair, uint64_t bits, uint64_t due)
{
    pair_set_bits(pair, bits);
    pair->due = due;
}

/* Read-mostly. owner: a heap's identity (heap.h) for a small span, that plus OWNER_MEDIUM for a medium one, or one of these. A
 * zero-filled desc is OWNER_NONE with nothing carved, which every fast path refuses. */
enum { OWNER_NONE = 0, OWNER_MEDIUM = 1, OWNER_LARGE = 2 };

struct desc {
    uintptr_t owner;   /* PEEK */
    uintptr_t start;   /* PEEK. address of its block 0, in the first slice (class_offset) */
    struct pair *pair; /* where this span's {list, countdown} is now */
    uint64_t reciprocal;
    uint64_t bound;  /* PEEK. what class_is_start admits: blocks that have ever been carved, none in a blank desc */
    uint32_t carved; /* PEEK. their number */
    uint32_t size;   /* PEEK. bytes of a block */
    uint8_t class;
    struct pair *list; /* PEEK. medium: where its owner's blocks of the class go first (listed.c) */
} __attribute__((aligned(CACHE_LINE)));

struct span {
    /* the owner's; of a free span, the lock's */
    struct list node;
    _Atomic(uint64_t) word; /* {nslices, state}: span_state(), span_nslices() */
    union {
        /* small, medium: while the span is not current; then, of small blocks, what waits and what had been due (src/heap) */
        struct pair pair;
        /* large: */
        struct {
            size_t nbytes;     /* usable bytes, a multiple of PAGE; PEEK */
            struct heap *home; /* of the thread that allocated it; NULL none */
        };
    };
    uint32_t capacity; /* blocks; PEEK */
    uint8_t swept;     /* words of remote bits that the present sweep has seen (refill.c) */
    bool is_clean;     /* what was never carved reads zero */
    /* of an available small span: its pages that were given back, with the free blocks on them (src/heap/trim.c); PEEK */
    uint16_t gone;

    /* the lock's */
    size_t ndirty; /* of a free span: dirty slices */
    size_t first;  /* in the last record of a free span: index of its first; in the first of a waiting one: of the next, and 1 */

    /* everybody's */
    _Atomic(uint64_t) remote __attribute__((aligned(CACHE_LINE))); /* remote.h */
    /* on the owner's stack of woken spans; of what is kept, or given back together */
    struct span *woken_next;

    /* the owner's: what was free of it at the last look, and since when (src/heap/trim.c); of a current small one reviews
     * (listed.c) */
    uint64_t seen, seen_since;

    /* the lock's */
    uint64_t dirty, purged; /* in every 64th record: dirty.h */
    uint64_t huge;          /* in every 2,048th record: where huge pages have been asked for (huge.c) */
    uint32_t nmoved;        /* PEEK. slices of what mremap has put here, in the record of the first (seam.c) */
} __attribute__((aligned(CACHE_LINE)));
_Static_assert(sizeof(struct span) == 2 * CACHE_LINE, "the owner's line and everybody's");

/* The pages on which block k of a small span lies, as bits; of a span's of one slice, at its start (class.def). */
INLINE unsigned span_pages_of(unsigned class, unsigned k)
{
    size_t from = k * class_table[class].size;
    return 1U << from / PAGE | 1U << (from + class_table[class].size - 1) / PAGE;
}

/* Words of a slice's bits, one for each block that the smallest class can have there. They lie apart, a line of them on a page
 * with those of 63 other slices: blocks of 128 bytes and over have no more, and so one page in 4 MiB is touched for them, not one
 * in 512 KiB, by a free. */
enum { REMOTE_WORDS = SLICE_SIZE / GRANULE / 64, REMOTE_LINE = CACHE_LINE / 8, REMOTE_SLICES = PAGE / CACHE_LINE };
typedef _Atomic(uint64_t) remote_table[REMOTE_WORDS / REMOTE_LINE][REMOTE_SLICES][REMOTE_LINE];

/* Read by every fast path, so together on a line. base and table are constant once there is a slice; limit is stored (release)
 * after the entries it admits exist and loaded relaxed: whoever rightly holds a pointer got it after that store. */
struct range {
    uintptr_t base;
    struct desc *table;
    size_t limit; /* slices; PEEK */
    struct span *records;
    remote_table *remote; /* remote.h */
    uint64_t page_ticks;  /* to touch an ordinary page, of late; 0 not known; PEEK */
} __attribute__((aligned(CACHE_LINE)));

/* In slices: what the tables have room for, 16 TiB but for the pages by which they lie off (range.c); and a megabyte, which is
 * never worth a look by the purge. */
enum { SLICES_MAX = (1 << 28) - (1 << 14), PURGE_FLOOR = 16 };

struct span_totals {
    size_t live, dirty, clean; /* slices in use, free and dirty, free and clean */
    size_t peak;               /* the most that was live of late (purge.c), */
    size_t shrunk, drained;    /* and how much was given since, with little taken: all; and in small pieces */
    size_t purged;             /* and not taken again, but for what was exchanged */
    size_t least, stale;       /* the least that was dirty of late, and what nobody wanted before that */
    uint64_t aged;             /* the tick up to which time has been counted */
    /* for so many ticks, until that one, nothing is purged, or exchanged, that churn would want (purge.c) */
    struct calm {
        uint64_t ticks, until;
    } purging, exchanging;
};

struct spans {
    struct lock lock;
    uint32_t npurging; /* spans that are out being purged, and */
    uint32_t npurged;  /* how many have been */
    uint32_t nlooks;   /* at what is dirty, that were due; anybody's */
    struct span_totals totals;
} __attribute__((aligned(CACHE_LINE)));

extern struct range range HIDDEN;
extern struct spans spans;

/* Chooses the base, from `random`, in the hole of the address space that holds `low` (an address below it) and
 * `high` (one above). Once, before anything else. */
void range_start(uintptr_t low, uintptr_t high, uint64_t random);

/* Adds at least `nslices` clean slices at the end of the range; the lock is held. Returns their number, 0 on failure,
 * and the index of the first. A taken address in the way is skipped and becomes a HOLE. */
size_t range_grow(size_t nslices, size_t *first);

/* In a child of fork, if the lock was held: what the tables have got and nobody knows of goes. */
void range_repair(void);

/* huge.c. Asks for huge pages, or has it that there are none, for slices [from, end) that have just been mapped, because of a
 * request for nslices of them; the lock is held. */
void huge_advise(size_t from, size_t end, size_t nslices);

/* The pages that begin in [from, end), of a block in clean memory, before they are written to: if pages are dear, and this
 * program has written to nearly all of what it got. Any thread. */
void huge_populate(uintptr_t from, uintptr_t end);

/* Whether pages may be made there before they are written to: not under a limit, which counts what is touched, nor where the
 * first write to one makes a huge page; nor, if they may never be, unless pages are dear. */
bool huge_may_populate(size_t slice, bool is_sure);

/* No more huge pages where some of a slice has been given back, nor in the 128 MiB around it: the system would sooner or later
 * fill up again each that is held in part (khugepaged). Any thread. */
void huge_forgo(size_t slice);

/* Asks for huge pages where they had been asked for, of slices [from, from + n) that have been mapped anew. Any thread. */
void huge_advise_again(size_t from, size_t n);

INLINE size_t range_limit(void) { return PEEK(range.limit); }
INLINE size_t range_index(const void *p) { return ((uintptr_t)p - range.base) >> SLICE_SHIFT; }
INLINE bool range_has(const void *p) { return range_index(p) < range_limit(); }

INLINE size_t span_index(const struct span *span) { return (size_t)(span - range.records); }
/* Where a link is a number, or pointers would take the small data to a second page: the index and 1; 0 none. */
INLINE uint32_t span_number(const struct span *span) { return (uint32_t)span_index(span) + 1; }
INLINE struct span *span_numbered(size_t number) { return number ? range.records + number - 1 : NULL; }
INLINE char *span_address(const struct span *span) { return (char *)(range.base + (span_index(span) << SLICE_SHIFT)); }
INLINE struct desc *span_desc(const struct span *span) { return range.table + span_index(span); }
INLINE char *span_blocks(const struct span *span) { return (char *)PEEK(span_desc(span)->start); }
INLINE struct span *span_of_start(uintptr_t start) { return range.records + ((start - range.base) >> SLICE_SHIFT); }

INLINE enum span_state word_state(uint64_t word) { return (enum span_state)(word & 0xff); }
INLINE size_t word_nslices(uint64_t word) { return word >> 8; }
INLINE enum span_state span_state(const struct span *span)
{
    return word_state(atomic_load_explicit(&span->word, memory_order_acquire));
}
INLINE size_t span_nslices(const struct span *span)
{
    return word_nslices(atomic_load_explicit(&span->word, memory_order_relaxed));
}
INLINE bool span_is_small(const struct span *span) { return span_desc(span)->class < NSMALL; }

/* Whether p, inside the desc's slice, is the start of a block of its span that has been carved. */
INLINE bool desc_is_start(const struct desc *desc, const void *p)
{
    return class_is_start((uintptr_t)p - desc->start, desc->reciprocal, PEEK(desc->bound));
}

/* Which block of its span p is. */
INLINE unsigned desc_index(const struct desc *desc, const void *p)
{
    return class_quotient((uintptr_t)p - desc->start, desc->reciprocal);
}

/* Every span in address order. The record of one that has just been joined with its left neighbour has no slices. */
#define span_for_each(each)                                                                                                      \
    for (struct span *each = range.records; span_index(each) < range_limit(); each += max_size(span_nslices(each), 1))

INLINE void span_set(struct span *span, enum span_state state, size_t nslices)
{
    atomic_store_explicit(&span->word, (uint64_t)nslices << 8 | state, memory_order_release);
}
INLINE void span_set_state(struct span *span, enum span_state state) { span_set(span, state, span_nslices(span)); }

enum span_want { WANT_DIRTY, WANT_CLEAN, ONLY_DIRTY };

/* Takes a span of exactly nslices out of the free ones, dirty before clean, or from fresh range, its address a multiple of
 * `alignment` slices (a power of two); gives it `state`, its descs are blank, is_clean says whether it reads zero. WANT_CLEAN
 * turns the preference round; inside a span that is dirty in part not for a large block, which is moved there (large.c) and does
 * better in what is resident: bench_vector double 0.3 of the time, 0.6 of the memory. NULL: out of memory, or nothing is dirty
 * (ONLY_DIRTY). Any thread. First, in any case and under the same lock, gives back all that is `given`, linked by woken_next, as
 * span_give does what has been written to. */
struct span *span_give_and_take(struct span *given, size_t nslices, size_t alignment, enum span_state state, enum span_want want);
INLINE struct span *span_take(size_t nslices, size_t alignment, enum span_state state, enum span_want want)
{
    return span_give_and_take(NULL, nslices, alignment, state, want);
}

/* The same, of what is dirty only; and so many more that are KEPT, or as many as there are, linked behind it by woken_next. */
struct span *span_give_and_take_some(struct span *given, size_t nslices, enum span_state state, size_t more);

/* Gives a span back of which the first ntouched slices have been written to since it was taken; or all of which reads zero. Its
 * descs must be blank again. Any thread that owns it. */
void span_give(struct span *span, size_t ntouched);
void span_give_clean(struct span *span);
void span_give_all(struct span *given); /* written to, linked by woken_next; NULL none */

/* Grows a span in use to nslices into a free right neighbour or, at the end of the range, into what this grows by; or returns
 * false. */
bool span_extend(struct span *span, size_t nslices);

/* Cuts a span in use down to nslices and gives the tail back. */
void span_cut(struct span *span, size_t nslices);

/* Of a large span whose place is no longer ours: nobody gets it again. */
void span_lose(struct span *span);

/* Adds to a total, the lock held; others may look without it. */
INLINE void span_add_total(size_t *total, size_t nslices) { __atomic_store_n(total, *total + nslices, __ATOMIC_RELAXED); }

/* Hands a span of blocks to a heap: fills its descs, one for each slice, carved last. Owner only. */
void span_describe(struct span *span, unsigned class, struct pair *pair);
void span_carve(struct span *span, uint32_t carved);
void span_hand_over(struct span *span, uintptr_t owner, struct pair *list);
void span_repoint(struct span *span, struct pair *pair);

/* Blanks the descs of a span that is about to be given back, so that no fast path believes them. */
void span_blank(struct span *span);

/* The span in which slice `index` lies: its first record. For diagnosis; walks left. */
struct span *span_containing(size_t index);

/* Purge: gives dirty memory back to the system until at most `keep` bytes of it are left, 2 MiB a step (purge.c). No lock
 * may be held. Returns the bytes given back. */
size_t purge_down_to(size_t keep);

/* The same, if there has been more than is allowed for a while: by somebody who waits some milliseconds at most, or is patient.
 * Cheap when there is little. */
void purge_slowly(bool is_patient);
void purge_at_leisure(void);           /* by somebody who may take long over it */
void purge_in_exchange(size_t nclean); /* as much as a large block has just taken that is not dirty, in slices */
/* As much as a large block has given back, if the last has taken as much that was not dirty, and nothing was purged for it. */
void purge_outgrown(size_t nslices);
INLINE void purge_if_due(void)
{
    if (UNLIKELY(PEEK(spans.totals.dirty) > PURGE_FLOOR)) purge_slowly(false);
}

/* The same by who has taken or given so many slices: of less than a megabyte one in eight looks, for that takes as long as all
 * else; unless options say that little may stay. (Two that count at once may count for one.) */
void purge_now_and_then(size_t nslices);

/* Keeps account of what the program is likely to want back, nagain of which had been purged; the lock is held. */
void purge_note_take(size_t nslices, size_t nagain);
void purge_note_give(size_t nslices);

/* seam.c, of slices of spans that nobody else uses. Says that mremap has moved n of them; puts a fresh mapping there, false:
 * refused; puts one where a move to n slices that was refused has left none, false: refused, too, or somebody else lives
 * there. */
void seam_move(size_t from, size_t to, size_t n);
bool seam_replace(size_t from, size_t n);
bool seam_mend(size_t from, size_t n);

/* Puts fresh mappings in place of the moved ranges that begin in [from, end), none of it dirty, and end before `limit`. False:
 * refused. */
bool seam_heal(size_t from, size_t end, size_t limit);

/* Whether there is room for one more; any thread. Their number, for the tests. */
bool seam_may_be_put(void);
size_t seam_count(void);

/* limit.c, any thread. Charges what is about to be made blocks, false if `limit=` does not allow it; gives it back; what a span
 * in use is charged; lets a program that has been refused have what is kept for that; counts again, after a fork; whether the
 * count is right; bytes of free memory that may be kept, SIZE_MAX without a limit. */
bool limit_charge(size_t nbytes, bool is_large);
void limit_refund(size_t nbytes);
size_t limit_charge_of(const struct span *span);
void limit_open_reserve(void);
void limit_count_again(void);
bool limit_is_right(void);
size_t limit_leaves(void);

/* For purge.c, the lock held: the oldest of the largest dirty spans, off its bin; and putting one (back) in. */
struct span *span_take_dirtiest(void);
void span_put_free(struct span *span);

/* After a fork from among threads, one of which held the lock if was_locked: rebuilds bins and totals from the records. A span
 * in use that no desc speaks for was being made, kept or given back by a thread that is gone: it is free. Single-threaded. */
void spans_repair(bool was_locked);

/* Checks the laws above; the lock is held. Returns the number of broken ones, tells of each through `broken`. */
size_t span_verify(void (*broken)(const char *law, const struct span *span));

#endif
