/* A block freed for another: as many frees as the span has blocks, though one is in use. */
#include "crime.h"

int main(void)
{
    enum { SIZE = 960, MANY = 500, SPAN = 65536, N = SPAN / SIZE };
    char *blocks[MANY], *start = NULL;
    for (int i = 0; i < MANY; i++) blocks[i] = malloc(SIZE);
    for (int i = 0; i < MANY; i++)
        if ((uintptr_t)blocks[i] % SPAN == 0) start = blocks[i] - SPAN;     /* a span that is full: it has a right neighbour */
    for (int k = 2; k < N; k++) free(start + k * SIZE);
    CRIME(start + SIZE * 9, free(start + SIZE * 9));
    free(start + SIZE);
    return 0;
}
