/*
 * exchange: threads that share one cache of objects: whoever puts a new one into a slot frees the one that was there, whose-ever
 * it was.
 *     exchange [threads = 2] [ops per thread = 16000000] [slots = 1024] [seed = 1] [size]
 * Each op allocates a block of that size, or else a small one (8 bytes to 4 KiB), exchanges it for the one in a slot chosen at
 * random and frees that: with n threads one free in n is of an own block, the others are remote, and no thread is only a giver or
 * only a taker.
 * One op is one malloc and one free, on all threads together; threads' starts and ends are in the time.
 */
#include "bench.h"

#include <pthread.h>

enum { NDRAWN = 1 << 16, NTHREADS_MAX = 64, NSLOTS_MAX = 1 << 16 };

static long nops, nslots;
static uint32_t sizes[NDRAWN], picks[NDRAWN];
static void *slots[NSLOTS_MAX];

static void *run(void *arg)
{
    const uint32_t *offset = arg;
    for (long i = 0; i < nops; i++) {
        uint32_t drawn = (*offset + (uint32_t)i) % NDRAWN;
        void *block = malloc(sizes[drawn]);
        bench_touch(block, sizes[drawn]);
        /* pairs with the same in the other threads: what is written in a block goes along with it */
        free(__atomic_exchange_n(&slots[picks[drawn]], block, __ATOMIC_ACQ_REL));
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[NTHREADS_MAX];
    uint32_t offsets[NTHREADS_MAX];
    long nthreads = bench_argument(argc, argv, 1, 2);
    nops = bench_argument(argc, argv, 2, 16000000);
    nslots = bench_argument(argc, argv, 3, 1024);
    uint64_t random = (uint64_t)bench_argument(argc, argv, 4, 1);
    uint32_t size = (uint32_t)bench_argument(argc, argv, 5, 0);
    require(nthreads >= 1 && nthreads <= NTHREADS_MAX, "threads: 1 to %d\n", NTHREADS_MAX);
    require(nslots >= 1 && nslots <= NSLOTS_MAX, "slots: 1 to %d\n", NSLOTS_MAX);
    for (int i = 0; i < NDRAWN; i++) {
        sizes[i] = size ? size : bench_small_size(&random);
        picks[i] = random_below(&random, (uint32_t)nslots);
    }
    for (long i = 0; i < nthreads; i++) offsets[i] = random_below(&random, NDRAWN);
    uint64_t start = now_ns();
    for (long i = 0; i < nthreads; i++) require(pthread_create(&threads[i], NULL, run, &offsets[i]) == 0, "pthread_create\n");
    for (long i = 0; i < nthreads; i++) pthread_join(threads[i], NULL);
    bench_report("exchange", now_ns() - start, (uint64_t)(nthreads * nops));
    return 0;
}
