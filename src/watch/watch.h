/* watch.h - looking at the heap, changing nothing. Contracts are those of include/mspace.h. */
#ifndef MSPACE_WATCH_H
#define MSPACE_WATCH_H

#include "../../include/mspace.h"

int watch_walk(mspace_visitor *visit, void *argument);
size_t watch_verify(void);

/* Sums over all spans and blocks, in bytes. */
struct watch_totals {
    size_t range;        /* heap range without what is not ours */
    size_t live, nlive;  /* blocks handed out: their usable bytes, their number */
    size_t used;         /* spans that hold blocks */
    size_t dirty, clean; /* free: may be resident; reads zero */
    size_t kept;         /* of dirty: by threads for their next large block */
};

void watch_count(struct watch_totals *totals);

/* A few lines on standard error (MSPACE_STATS=1). */
void watch_print(void);

#endif
