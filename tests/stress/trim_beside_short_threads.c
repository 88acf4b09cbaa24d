/*
 * What short threads have had goes back by malloc_trim, however many run meanwhile, and none of them is left without a heap of
 * its own.
 *
 * Two threads start 40,000 short ones each, four at a time, which exchange some of their blocks; two call malloc_trim all the
 * while. At the end no more than 4 MiB may be held: at first 8 were at a tenth of the size, 469 before that, for heaps that were
 * being trimmed were in nobody's reach, and new ones were made.
 */
#include "stress.h"

#include <pthread.h>
#include <stdatomic.h>

#ifdef MSPACE_DIRECT
enum { NTHREADS = 4000 }; /* under the sanitizer each takes ten times as long */
#else
enum { NTHREADS = 40000 };
#endif
enum { NSTARTERS = 2, NTRIMMERS = 2, ATONCE = 4, NBLOCKS = 300, NPLACES = 64, HELD_MAX = 4 << 20 };

static _Atomic(void *) places[NPLACES];
static _Atomic(int) nleft = NSTARTERS;

static void *visit(void *arg)
{
    uint64_t random = *(uint64_t *)arg;
    void *blocks[NBLOCKS];
    for (int i = 0; i < NBLOCKS; i++) blocks[i] = stamped_new(16 + random_below(&random, 3000));
    for (int i = 0; i < NBLOCKS; i++)
        stamped_free(i % 50 ? blocks[i] : atomic_exchange(&places[random_below(&random, NPLACES)], blocks[i]));
    return NULL;
}

static void *start(void *arg)
{
    uint64_t random = *(uint64_t *)arg, seeds[ATONCE];
    for (long left = scaled(NTHREADS); left > 0; left -= ATONCE) {
        pthread_t threads[ATONCE];
        for (int i = 0; i < ATONCE; i++) {
            seeds[i] = random_next(&random);
            require(pthread_create(&threads[i], NULL, visit, &seeds[i]) == 0, "pthread_create\n");
        }
        for (int i = 0; i < ATONCE; i++) pthread_join(threads[i], NULL);
    }
    nleft--;
    return NULL;
}

static void *trim(void *unused)
{
    while (nleft) api_trim(0), usleep(500);
    return unused;
}

int main(int argc, char **argv)
{
    uint64_t random = seed_choose("trim_beside_short_threads", argc > 1 ? argv[1] : NULL), seeds[NSTARTERS];
    pthread_t threads[NSTARTERS + NTRIMMERS];
    size_t resident = resident_nbytes();
    watchdog(280);
    for (int i = 0; i < NSTARTERS + NTRIMMERS; i++) {
        if (i < NSTARTERS) seeds[i] = random_next(&random);
        require(pthread_create(&threads[i], NULL, i < NSTARTERS ? start : trim, i < NSTARTERS ? &seeds[i] : NULL) == 0,
                "pthread_create\n");
    }
    for (int i = 0; i < NSTARTERS + NTRIMMERS; i++) pthread_join(threads[i], NULL);
    api_trim(0);
    require_resident(resident, HELD_MAX, "after the last thread");
    for (int i = 0; i < NPLACES; i++) stamped_free(places[i]);
    require_sound("after the last thread");
    return 0;
}
