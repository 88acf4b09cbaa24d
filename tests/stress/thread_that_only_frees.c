/*
 * A thread that never allocates can free everything, and what it frees comes back to who allocates.
 *
 * The main thread makes blocks, a second thread does nothing but free them: a ring of 16,384 places between the two holds about
 * 16 MiB when full. 8 million blocks (about 8 GiB) pass through. From the first twentieth on, resident memory may not grow by
 * more than 32 MiB.
 */
#include "stress.h"

#include <pthread.h>
#include <sched.h>

enum { NPLACES = 16384, NBLOCKS = 8000000, GROWN_MAX = 32 << 20 };

static void *ring[NPLACES];
static long nblocks;

static void *free_all(void *arg)
{
    (void)arg;
    for (long i = 0; i < nblocks; i++) {
        void **place = &ring[i % NPLACES], *block;
        while ((block = __atomic_load_n(place, __ATOMIC_ACQUIRE)) == NULL) sched_yield(); /* pairs with the release in main */
        stamped_free(block);
        __atomic_store_n(place, NULL, __ATOMIC_RELEASE);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    uint64_t random = seed_choose("thread_that_only_frees", argc > 1 ? argv[1] : NULL);
    pthread_t thread;
    size_t resident = 0;
    watchdog(280);
    nblocks = scaled(NBLOCKS);
    require(pthread_create(&thread, NULL, free_all, NULL) == 0, "pthread_create\n");
    for (long i = 0; i < nblocks; i++) {
        void **place = &ring[i % NPLACES];
        void *block = stamped_new(size_random(&random));
        while (__atomic_load_n(place, __ATOMIC_ACQUIRE) != NULL) sched_yield();
        __atomic_store_n(place, block, __ATOMIC_RELEASE);
        if (i == nblocks / 20) resident = resident_nbytes();
    }
    pthread_join(thread, NULL);
    require_resident(resident, GROWN_MAX, "after the last block");
    require_sound("after the last block");
    return 0;
}
