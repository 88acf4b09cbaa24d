/*
 * larson: a server's generations of threads (after Larson and Krishnan, ISMM 1998).
 *     larson [chains = 2] [generations = 80] [ops per generation = 100000] [blocks per chain = 5000] [seed = 1]
 * Each chain is a thread that replaces blocks of 8 to 1,000 bytes chosen at random among its own, then starts its successor,
 * hands the blocks over and exits: the successor frees what a dead thread allocated. Every 16th op swaps a block with a place
 * that all chains share, so that blocks also die in a thread of another chain while their owner lives.
 * One op is one malloc and one free, on all chains together; threads' starts and ends are in the time.
 */
#include "bench.h"

#include <pthread.h>

enum { NDRAWN = 1 << 16, NSHARED = 256 };

struct chain {
    pthread_t thread;
    long generations_left;
    uint64_t random;
    void **blocks;
};

static long nops, nblocks;
static uint16_t sizes[NDRAWN];
static uint32_t picks[NDRAWN];
static void *shared[NSHARED];

static void *generation(void *arg)
{
    struct chain *c = arg;
    uint32_t offset = (uint32_t)random_next(&c->random);
    for (long i = 0; i < nops; i++) {
        uint32_t drawn = (offset + (uint32_t)i) % NDRAWN;
        void **place = &c->blocks[picks[drawn]], *old = *place;
        size_t size = sizes[drawn];
        if (i % 16 == 0) old = __atomic_exchange_n(&shared[drawn % NSHARED], old, __ATOMIC_ACQ_REL);
        free(old);
        *place = malloc(size);
        bench_touch(*place, size);
    }
    return NULL;
}

/* One chain: each thread is joined by this one, so that at any time as many allocate as there are chains. */
static void *chain_run(void *arg)
{
    struct chain *c = arg;
    for (; c->generations_left > 0; c->generations_left--) {
        pthread_t thread;
        require(pthread_create(&thread, NULL, generation, c) == 0, "pthread_create\n");
        pthread_join(thread, NULL);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    long nchains = bench_argument(argc, argv, 1, 2), ngenerations = bench_argument(argc, argv, 2, 80);
    nops = bench_argument(argc, argv, 3, 100000);
    nblocks = bench_argument(argc, argv, 4, 5000);
    uint64_t random = (uint64_t)bench_argument(argc, argv, 5, 1);
    struct chain *chains = map_zeroed((size_t)nchains * sizeof *chains);
    for (int i = 0; i < NDRAWN; i++) {
        sizes[i] = (uint16_t)(8 + random_below(&random, 993));
        picks[i] = random_below(&random, (uint32_t)nblocks);
    }
    uint64_t start = now_ns();
    for (long i = 0; i < nchains; i++) {
        chains[i].generations_left = ngenerations;
        chains[i].random = (uint64_t)i + 1;
        chains[i].blocks = map_zeroed((size_t)nblocks * sizeof(void *));
        require(pthread_create(&chains[i].thread, NULL, chain_run, &chains[i]) == 0, "pthread_create\n");
    }
    for (long i = 0; i < nchains; i++) pthread_join(chains[i].thread, NULL);
    bench_report("larson", now_ns() - start, (uint64_t)(nchains * ngenerations * nops));
    return 0;
}
