/*
 * Threads that start and exit leave nothing behind but their live blocks, and those can be freed by others.
 *
 * 10,000 threads, 50 at a time. Each allocates 64 blocks, frees every other one and exits; the main thread checks and frees the
 * rest. Heaps must be inherited: from the first quarter of the threads on, resident memory may not grow by more than 16 MiB.
 */
#include "stress.h"

#include <pthread.h>

enum { BATCH = 50, NBLOCKS = 64, NTHREADS = 10000, GROWN_MAX = 16 << 20 };

struct visitor {
    uint64_t random;
    void *left[NBLOCKS];
};

static void *visit(void *arg)
{
    struct visitor *v = arg;
    void *blocks[NBLOCKS];
    for (int i = 0; i < NBLOCKS; i++) blocks[i] = stamped_new(size_random(&v->random));
    for (int i = 0; i < NBLOCKS; i++) {
        if (i % 2 == 0) stamped_free(blocks[i]);
        v->left[i] = i % 2 == 0 ? NULL : blocks[i];
    }
    return NULL;
}

static void batch_run(struct visitor *visitors, uint64_t *random)
{
    pthread_t threads[BATCH];
    for (int i = 0; i < BATCH; i++) {
        visitors[i].random = random_next(random);
        require(pthread_create(&threads[i], NULL, visit, &visitors[i]) == 0, "pthread_create\n");
    }
    for (int i = 0; i < BATCH; i++) {
        pthread_join(threads[i], NULL);
        for (int k = 0; k < NBLOCKS; k++) stamped_free(visitors[i].left[k]);
    }
}

int main(int argc, char **argv)
{
    uint64_t random = seed_choose("threads_start_and_exit", argc > 1 ? argv[1] : NULL);
    struct visitor *visitors = map_zeroed(BATCH * sizeof *visitors);
    long nbatches = scaled(NTHREADS) / BATCH;
    if (nbatches < 4) nbatches = 4;
    size_t resident = 0;
    watchdog(280);
    for (long i = 0; i < nbatches; i++) {
        batch_run(visitors, &random);
        if (i == nbatches / 4) resident = resident_nbytes();
    }
    require_resident(resident, GROWN_MAX, "after the last thread");
    require_sound("after the last thread");
    return 0;
}
