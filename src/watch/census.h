/* census.h - which blocks of a span are free: the question that walk, verify, statistics and leak reports share.
 *
 * Reads the lists and bits of whoever may hold the span's free blocks and believes nothing that does not check out: a list
 * that changes under the reader ends the reading, and is counted as broken. A span may change its class under the reader, too, so
 * the class is read once and all sizes are that class's. Exact while nobody else is inside. */
#ifndef MSPACE_CENSUS_H
#define MSPACE_CENSUS_H

#include "../heap/heap.h"

struct census {
    const struct span *span;
    unsigned index; /* of the class */
    const struct class *class;
    char *blocks;         /* where the first is */
    uint64_t is_free[64]; /* bit k: block k is free; capacity is at most 4096 */
    unsigned nlocal;      /* in the span's own pair, of a medium one's in its heap's */
    uint64_t weight;      /* of those, as event.c weighs them */
    unsigned nlisted;     /* on heaps' lists */
    unsigned nremote, npending, nuncarved;
    unsigned nbroken; /* blocks listed twice, misplaced, overwritten */
};

/* Takes the one census there is (it is too big for a stack of 16 KiB), or returns NULL: somebody has it. */
struct census *census_take(void);
void census_drop(void);

/* In a child of fork: whoever had it is gone. */
void census_break(void);

/* Counts a span of blocks. */
void census_count(struct census *census, const struct span *span);

INLINE bool census_is_free(const struct census *census, unsigned k) { return census->is_free[k / 64] >> k % 64 & 1; }

#endif
