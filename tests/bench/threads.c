/*
 * threads: a program that starts a thread for every little job: what a thread's first block and its exit cost.
 *     threads [threads = 20000] [blocks per thread = 64] [at once = 2] [seed = 1]
 * A thread allocates its blocks, small ones and one in eight of up to 32 KiB, and frees seven of eight in the order of their
 * birth. The rest is the job's result: it goes to a place that all threads share, and the thread that takes the place frees what
 * is there, a block of a thread that is long gone. `at once` threads run at a time. One op is one thread, from start to end, with
 * all its blocks.
 */
#include "bench.h"

#include <pthread.h>

enum { NDRAWN = 1 << 16, NBLOCKS_MAX = 1024, NRUNNING_MAX = 64, NRESULTS = 512 };

static long nblocks;
static uint32_t sizes[NDRAWN];
static void *results[NRESULTS];

static void *job(void *arg)
{
    uint32_t first = (uint32_t)(uintptr_t)arg * (uint32_t)nblocks;
    void *blocks[NBLOCKS_MAX];
    for (uint32_t i = 0; i < nblocks; i++) {
        size_t size = sizes[(first + i) % NDRAWN];
        blocks[i] = malloc(size);
        bench_touch(blocks[i], size);
    }
    for (uint32_t i = 0; i < nblocks; i++) {
        void *dying = blocks[i];
        if (i % 8 == 0) dying = __atomic_exchange_n(&results[(first + i) / 8 % NRESULTS], dying, __ATOMIC_ACQ_REL);
        free(dying);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t running[NRUNNING_MAX];
    long nthreads = bench_argument(argc, argv, 1, 20000), nrunning = bench_argument(argc, argv, 3, 2);
    nblocks = bench_argument(argc, argv, 2, 64);
    uint64_t random = (uint64_t)bench_argument(argc, argv, 4, 1);
    require(nblocks >= 1 && nblocks <= NBLOCKS_MAX, "blocks per thread: 1 to %d\n", NBLOCKS_MAX);
    require(nrunning >= 1 && nrunning <= NRUNNING_MAX, "at once: 1 to %d\n", NRUNNING_MAX);
    for (int i = 0; i < NDRAWN; i++)
        sizes[i] = random_below(&random, 8) == 0 ? 64 + random_below(&random, (32 << 10) - 63) : bench_small_size(&random);
    uint64_t start = now_ns();
    for (long i = 0; i < nthreads + nrunning; i++) {
        pthread_t *place = &running[i % nrunning];
        if (i >= nrunning && i - nrunning < nthreads) pthread_join(*place, NULL);
        if (i < nthreads) require(pthread_create(place, NULL, job, (void *)(uintptr_t)i) == 0, "pthread_create\n");
    }
    bench_report("threads", now_ns() - start, (uint64_t)nthreads);
    return 0;
}
