/* Twice in a row but for two others, while the program frees in bulk: the list of free blocks goes round, and what lies between
 * is met again and again. As many bytes are counted twice so as two blocks next to them weigh, which are in use when all others
 * of their span have been freed. */
#include "bulk.h"

static char *lowest_beside(const char *p)
{
    char *lowest = NULL;
    for (int i = 0; i < NBULK; i++)
        if ((uintptr_t)bulk[i] >> 16 == (uintptr_t)p >> 16 && (!lowest || bulk[i] < lowest)) lowest = bulk[i];
    return lowest;
}

static void free_beside(const char *p, char *const in_use[4])
{
    for (int i = 0; i < NBULK; i++) {
        bool is_in_use = false;
        for (int k = 0; k < 4; k++) is_in_use |= bulk[i] == in_use[k];
        if (!is_in_use && (uintptr_t)bulk[i] >> 16 == (uintptr_t)p >> 16) free(bulk[i]);
    }
}

int main(void)
{
    enum { BESIDE = 20, NLATE = 200 };
    replace_at_random();
    allocate(NBULK / 3, BULK_SIZE); /* so that the span that is allocated from is new, and p is of it */
    char *p = malloc(BULK_SIZE), *first = lowest_beside(bulk[CHOSEN]) + BESIDE * BULK_SIZE;
    char *four[4] = {first, first + BULK_SIZE, first + 2 * BULK_SIZE, first + 3 * BULK_SIZE};
    free_between(0, NFREED, first);
    free(p);
    free(four[0]);
    free(four[3]);
    CRIME(p, free(p));
    free_between(NFREED, NFREED + NLATE, first);
    free_beside(first, four);
    allocate(NBULK, BULK_SIZE);
    return 0;
}
