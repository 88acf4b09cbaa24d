/* A good program: more blocks of a size than any list may hold, freed after malloc_trim has put the span away that they are
 * allocated from. */
#include "crime.h"

enum { SIZE = 448, NPER_SPAN = (64 << 10) / SIZE, NBLOCKS = NPER_SPAN * 600, SPARSE = 16 };
static void *blocks[NBLOCKS];
static bool is_freed[NBLOCKS];

int main(void)
{
    for (int i = 0; i < NBLOCKS; i++) blocks[i] = malloc(SIZE);
    for (int i = 0; i < NBLOCKS; i++) /* a few of each span, and these again: so it has few when it is used next */
        if ((is_freed[i] = (uintptr_t)blocks[i] / SIZE % SPARSE == 0)) free(blocks[i]);
    for (int i = 0; i < NBLOCKS; i++)
        if (is_freed[i]) blocks[i] = malloc(SIZE);
    malloc_trim(0);
    for (int i = 0; i < NBLOCKS; i++) free(blocks[i]);
    CRIME(NULL, malloc_trim(0));
    return 0;
}
