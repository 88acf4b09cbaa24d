/* class.h - size classes: which block size serves a request, and which span holds such blocks.
 *
 *      16 32 48 ... 256 | 288 320 ... 512 | 576 ... 960 | 1 KiB ... 32 KiB | 36 KiB ... 256 KiB
 *      steps of 16        then 8 classes for each doubling
 *      small: a span's free blocks are on a list         | medium: they are bits of one word
 *      the fast paths serve these                                          | the slow ones these
 *
 * Average waste 4.3-5.7 % (4 per doubling: 8.6-9.7 %). Classes to 32 KiB are found by one table, indexed by granules of
 * 16 bytes, so that no branch on the size can mispredict. Their spans have 1 to 8 slices, the fewest that hold 8 blocks and
 * waste at most 2 % at the tail; above, 8 or 16 blocks and no waste.
 * Constant; any thread. */
#ifndef MSPACE_CLASS_H
#define MSPACE_CLASS_H

#include "../base/base.h"

#define SLICE_SHIFT 16
#define SLICE_SIZE ((size_t)1 << SLICE_SHIFT)

enum {
    GRANULE = 16,
    NSMALL = 31, /* classes of listed blocks */
    NFAST = 72,  /* classes that the fast paths serve */
    NCLASSES = 96,
    SMALL_MAX = 960, /* bytes, in all three */
    FAST_MAX = 32 << 10,
    MEDIUM_MAX = 256 << 10,
    MEDIUM_CAPACITY = 64, /* blocks of a medium span at most: their bits are one word */
    PAGE = 4096,
};

struct class
{
    uint64_t reciprocal; /* floor(2^64 / size) + 1: see class_is_start */
    uint32_t size;       /* bytes of a block */
    uint16_t capacity;   /* blocks of a span */
    uint8_t nslices;     /* slices of a span */
};

extern const struct class class_table[NCLASSES];

/* Class of a request of n granules (0 to 2048), doubled: the fast paths index 16-byte pairs with a scale of 8. */
extern const uint8_t class_of_granules_x2[FAST_MAX / GRANULE + 1] HIDDEN;

INLINE unsigned class_of_fast(size_t size) { return class_of_granules_x2[(size + GRANULE - 1) / GRANULE] / 2U; }

/* Class of a request of at most MEDIUM_MAX bytes. */
INLINE unsigned class_of(size_t size)
{
    if (size <= FAST_MAX) return class_of_fast(size);
    unsigned doubling = log2_floor(size - 1); /* 15: over 32 KiB, 16: over 64 KiB, 17: over 128 KiB */
    return NFAST + (doubling - 15) * 8 + (unsigned)(((size - 1) >> (doubling - 3)) & 7);
}

/* The smallest class of at least `size` bytes whose blocks are all aligned to `alignment` (a power of two, at most
 * PAGE); size at most FAST_MAX. Spans start at a slice, so a block size that is a multiple is enough. */
unsigned class_of_aligned(size_t size, size_t alignment);

/* Whether offset is the start of one of the first n blocks, by one multiplication and one comparison (after Lemire, Kaser,
 * Kurz: Faster remainder by direct computation, 2019). With e = reciprocal * size mod 2^64, the product for the start of
 * block q is q * e, and for anything else at least `reciprocal`, which is larger: so bound = n * e answers both "on a
 * start?" and "one of n?". Holds for offset < 2^32; every offset of every class is tried in tests/unit. */
INLINE bool class_is_start(size_t offset, uint64_t reciprocal, uint64_t bound) { return offset * reciprocal < bound; }

INLINE uint64_t class_bound(unsigned class, uint64_t n) { return n * (class_table[class].reciprocal * class_table[class].size); }

/* offset / size, likewise. */
INLINE unsigned class_quotient(size_t offset, uint64_t reciprocal)
{
    return (unsigned)((unsigned __int128)offset * reciprocal >> 64);
}

#endif
