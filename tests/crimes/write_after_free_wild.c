/* One bit of a freed block's link, so that the list of its class leads to where no memory is: malloc_trim, which looks for blocks
 * of a span on it, ends there. */
#include "crime.h"

enum { SIZE = 200, NBLOCKS = 60000, WITHIN = 29 /* bit: half a GiB off, where a fast malloc still goes */ };
static void *blocks[NBLOCKS];

int main(void)
{
    for (int i = 0; i < NBLOCKS; i++) blocks[i] = malloc(SIZE);
    for (int i = 0; i < NBLOCKS - NBLOCKS / 30; i++) /* pages of free blocks alone, in spans that are in use */
        if (i / 60 % 2) free(blocks[i]);
    uintptr_t *p = malloc(SIZE);
    sink = malloc(SIZE);
    free(p);
    CRIME(p, p[0] ^= (uintptr_t)1 << WITHIN);
    sink = malloc(SIZE);
    malloc_trim(0);
    return 0;
}
