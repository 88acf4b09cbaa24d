/* class.h - size classes: which block size serves a request, and which span holds such blocks.
 *
 *      16 32 48 ... 256 | 288 320 ... 528 | 576 ... 1040 | 1152 ... 32 KiB | more
 *      steps of 16        then 8 classes for each doubling                  | none
 *      small: a span's free blocks are on a list         | medium: they are | large: a span of its own (large.h)
 *                                                        | bits of one word |
 *
 * Of the medium ones two for each doubling serve at first, each the sizes of four: a program that has few blocks of many sizes
 * holds the most that it has ever had of each class, and of fewer classes that is less. One with many spans leaves sizes to the
 * others (class_count). Average waste then 4.3-5.7 % (4 per doubling: 8.6-9.7 %). Under a limit all serve at once. Classes are
 * found by one table, indexed by granules of 16 bytes, so that no branch on the size can mispredict. Spans have 1 to 8 slices,
 * the fewest that hold 8 blocks and waste at most 2 % at the tail.
 * One more is for a database's page of 4 KiB and its own, 4,368 bytes; sqlite holds 1.12 of glibc's memory without it.
 *
 * A power of two has room for a little more, so that its blocks lie an odd number of cache lines apart, or of quarters of them,
 * and do not all begin in one set of the cache. So do other sizes from 2.5 KiB on, where it costs no slice. For whoever asks for
 * that alignment the powers themselves, but for 2,048, are classes, too. They end at 32 KiB, for what bigger blocks leave free in
 * spans of a class is seldom wanted again in that very class. (Figures: ../README.md.) Any thread; but for the table and the
 * counts, constant. */
#ifndef MSPACE_CLASS_H
#define MSPACE_CLASS_H

#include "../base/base.h"

#define SLICE_SHIFT 16
#define SLICE_SIZE ((size_t)1 << SLICE_SHIFT)

enum {
    GRANULE = 16,
    ALIGNMENT_MIN = 2 * GRANULE, /* less than that every block has */
    NSMALL = 34,                 /* classes of listed blocks */
    NCLASSES = 78,
    SMALL_MAX = 1040, /* bytes, in all three */
    MEDIUM_MAX = 32 << 10,
    MEDIUM_CAPACITY = 64, /* blocks of a medium span at most: their bits are one word */
    PAGE = 4096,
};

struct class
{
    uint64_t reciprocal; /* floor(2^64 / size) + 1: see class_is_start */
    uint32_t size;       /* bytes of a block */
    uint16_t capacity;   /* blocks of a span */
    uint8_t nslices;     /* slices of a span */
    /* the class that serves its sizes at first, itself or a larger one; 0: only requests of its alignment do */
    uint8_t first;
};

extern const struct class class_table[NCLASSES] HIDDEN;

extern struct classes {
    int32_t nspans[NCLASSES]; /* of medium ones that serve others' sizes, spans in use: class_count */
    /* PEEK. Class of a request of n granules, doubled: the fast paths index 16-byte pairs with a scale of 8. */
    uint8_t of_granules_x2[MEDIUM_MAX / GRANULE + 1] __attribute__((aligned(CACHE_LINE)));
} classes HIDDEN;

/* Class of a request of at most MEDIUM_MAX bytes: 0 before class_start, and at any instant perhaps a smaller one, so nobody asks
 * twice. */
INLINE unsigned class_of_x2(size_t size) { return PEEK(classes.of_granules_x2[(size + GRANULE - 1) / GRANULE]); }
INLINE unsigned class_of(size_t size) { return class_of_x2(size) / 2; }

/* Before a thread, or a signal handler, has the first heap. */
void class_start(void);

/* Has all classes serve from now on. */
void class_serve_all(void);

/* Notes that a span of the class has been taken, 1, or given back, -1, and has others serve some of its sizes when there are
 * many. Any thread. */
void class_count(unsigned class, int n);

/* The smallest class that has so many bytes, be it for aligned requests. size at least 1. */
INLINE unsigned class_least(size_t size)
{
    unsigned class = class_of(size);
    while (class && class_table[class - 1].size >= size) class --;
    return class;
}

/* The smallest class of at least `size` bytes whose blocks are all aligned to `alignment` (a power of two, at most PAGE); an
 * ALIGNED one only if the next does not do. size from 1 to MEDIUM_MAX. Block 0 is as aligned as they are, so a block size that is
 * a multiple is enough. */
unsigned class_of_aligned(size_t size, size_t alignment);

/* Where that is remembered, from ALIGNMENT_MIN on: for each alignment from PAGE down, each number of such units. PEEK; 0: not
 * asked for. */
extern uint8_t class_of_units[2 * MEDIUM_MAX / ALIGNMENT_MIN + 1] HIDDEN;
INLINE uint8_t *class_place(size_t size, size_t alignment)
{
    return &class_of_units[(MEDIUM_MAX + size + alignment - 1) >> log2_floor(alignment)];
}

/* Whether offset is the start of one of the first n blocks, by one multiplication and one comparison (after Lemire, Kaser,
 * Kurz: Faster remainder by direct computation, 2019). With e = reciprocal * size mod 2^64, the product for the start of
 * block q is q * e, and for anything else at least `reciprocal`, which is larger: so bound = n * e answers both "on a
 * start?" and "one of n?". Holds for offset < 2^32; every offset of every class is tried in tests/unit. */
INLINE bool class_is_start(size_t offset, uint64_t reciprocal, uint64_t bound) { return offset * reciprocal < bound; }

INLINE uint64_t class_bound(unsigned class, uint64_t n) { return n * (class_table[class].reciprocal * class_table[class].size); }

/* Where block 0 of a span is, from its start, given its place. What is left over of a span lies in part before its blocks, in
 * each span another part, so that the blocks of several do not all begin in the same few sets of the caches (Bonwick: The slab
 * allocator, 1994); none in one of small blocks. */
size_t class_offset(unsigned class, size_t place);

/* offset / size, likewise. */
INLINE unsigned class_quotient(size_t offset, uint64_t reciprocal)
{
    return (unsigned)((unsigned __int128)offset * reciprocal >> 64);
}

#endif
