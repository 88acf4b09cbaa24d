/* bulk.h: a program that replaces blocks at random, and then frees all of them. */
#ifndef TESTS_CRIMES_BULK_H
#define TESTS_CRIMES_BULK_H

#include "crime.h"

enum { NBULK = 40 * 68, BULK_SIZE = 960, NREPLACED = 20 * NBULK, CHOSEN = NBULK / 8 * 7, NFREED = NBULK / 4 };
static char *bulk[NBULK];

/* Frees [from, to) of them, but the one that is freed already; without those in the slice of `beside`. */
static void free_between(int from, int to, const char *beside)
{
    for (int i = from; i < to; i++)
        if (i != CHOSEN && (uintptr_t)bulk[i] >> 16 != (uintptr_t)beside >> 16) free(bulk[i]), bulk[i] = NULL;
}

static void replace_at_random(void)
{
    uint64_t random = 1;
    for (int i = 0; i < NBULK; i++) bulk[i] = malloc(BULK_SIZE);
    for (int i = 0; i < NREPLACED; i++) {
        char **block = &bulk[random_below(&random, NBULK)];
        free(*block);
        *block = malloc(BULK_SIZE);
    }
}

/* Two of a span that is new, and that is allocated from, both freed: the first, and on top of the list the second. */
__attribute__((unused)) static char *free_two(void)
{
    replace_at_random();
    allocate(NBULK / 3, BULK_SIZE);
    char *first = malloc(BULK_SIZE), *second = malloc(BULK_SIZE);
    free(first);
    free(second);
    return first;
}

/* Returns one that is freed first; so many others have been since, and none in its slice. */
__attribute__((unused)) static char *free_in_bulk(void)
{
    replace_at_random();
    char *p = bulk[CHOSEN];
    free(p);
    free_between(0, NFREED, p);
    return p;
}

#endif
