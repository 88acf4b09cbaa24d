/* wait.h - free spans that wait for the next of their size (wait.c). The lock of the spans is held. */
#ifndef MSPACE_WAIT_H
#define MSPACE_WAIT_H

#include "span.h"

/* Whether a span that has been given back, dirty all over and in no bin, waits from now on. */
bool wait_begin(struct span *span);

/* One of so many slices that has waited, or NULL; to be called for each span that is taken, with 0 if such are of no use. */
struct span *wait_end(size_t nslices);

/* Puts all of them where other free spans are; returns whether there were any. And, in a child of fork, forgets them. */
bool wait_join(void);
void wait_forget(void);

bool wait_has(const struct span *span);

#endif
