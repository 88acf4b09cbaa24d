/*
 * Any thread may free any block, all at once, and no block is lost, doubled or damaged.
 *
 * Four threads swap fresh blocks for whatever lies in 2,048 shared places and free what they got, or realloc it first. A block's
 * last owner is anybody; most frees are remote, and every span has several remote freers at a time.
 */
#include "stress.h"

#include <pthread.h>

enum { NTHREADS = 4, NPLACES = 2048, NSWAPS = 8000000 };

static void *places[NPLACES];
static long swaps_each;

static void *swap(void *arg)
{
    uint64_t random = *(uint64_t *)arg;
    for (long i = 0; i < swaps_each; i++) {
        void *mine = stamped_new(size_random(&random));
        /* acq_rel: the stamp is written before another thread sees the block, and read after */
        void *theirs = __atomic_exchange_n(&places[random_below(&random, NPLACES)], mine, __ATOMIC_ACQ_REL);
        if (theirs != NULL && i % 32 == 0) {
            uint64_t head;
            stamped_check(theirs);
            memcpy(&head, theirs, sizeof head);
            theirs = api_realloc(theirs, head + 64);
            require(theirs != NULL && memcmp(theirs, &head, sizeof head) == 0, "realloc lost a foreign block's contents\n");
            api_free(theirs);
        } else {
            stamped_free(theirs);
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    uint64_t random = seed_choose("exchange_between_threads", argc > 1 ? argv[1] : NULL), seeds[NTHREADS];
    pthread_t threads[NTHREADS];
    watchdog(280);
    swaps_each = scaled(NSWAPS) / NTHREADS + 1;
    for (int i = 0; i < NTHREADS; i++) {
        seeds[i] = random_next(&random);
        require(pthread_create(&threads[i], NULL, swap, &seeds[i]) == 0, "pthread_create\n");
    }
    for (int i = 0; i < NTHREADS; i++) pthread_join(threads[i], NULL);
    require_sound("with the last blocks live");
    for (int i = 0; i < NPLACES; i++) stamped_free(places[i]);
    require_sound("with all blocks freed");
    return 0;
}
