/*
 * scale: two curves: what happens to the price of an op when there are more blocks, and when there are more threads.
 *     scale live [blocks = 300000] [ops = 5000000] [seed = 1]
 *     scale threads [threads = 2] [ops per thread = 5000000] [seed = 1]
 * live:    one thread; each op frees a block chosen at random among so many and allocates another. All are there when the clock
 *          starts. From 1,000 to 10,000,000 blocks of 186 bytes on average: from the second-level cache to some 2 GB.
 * threads: each thread does the same among 1,000 blocks of its own. Every 16th dying block goes to the next thread, which frees
 *          it; one that was not fetched by the time its place is needed again is freed here after all, so that nobody waits.
 * One op is one malloc and one free; threads: of one thread, so that the curve is flat as long as there are CPUs.
 */
#include "bench.h"

#include <pthread.h>

enum { NDRAWN = 1 << 16, NTHREADS_MAX = 256, NOWN = 1000, NPLACES = 64 };

struct worker {
    void *own[NOWN];
    _Alignas(64) void *places[NPLACES]; /* filled by the thread before, emptied by this one */
    pthread_t thread;
    struct worker *next;
    uint32_t offset;
};

static uint32_t sizes[NDRAWN], picks[NDRAWN];
static long nops;

static void draw(uint64_t random, uint32_t nblocks)
{
    for (int i = 0; i < NDRAWN; i++) {
        sizes[i] = bench_small_size(&random);
        picks[i] = random_below(&random, nblocks);
    }
}

static void block_replace(void **block, size_t size)
{
    free(*block);
    *block = malloc(size);
    bench_touch(*block, size);
}

static uint64_t run_live(uint32_t nblocks)
{
    void **blocks = map_zeroed(nblocks * sizeof *blocks);
    for (uint32_t i = 0; i < nblocks; i++) block_replace(&blocks[i], sizes[i % NDRAWN]);
    uint64_t start = now_ns(), shift = 0;
    for (long done = 0; done < nops; done += NDRAWN) {
        for (long i = 0; i < NDRAWN && i < nops - done; i++) {
            uint64_t pick = picks[i] + shift;
            block_replace(&blocks[pick < nblocks ? pick : pick - nblocks], sizes[i]);
        }
        shift = (shift + UINT64_C(2654435761)) % nblocks; /* each walk through the table goes to other blocks */
    }
    return now_ns() - start;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    for (long i = 0; i < nops; i++) {
        uint32_t drawn = (w->offset + (uint32_t)i) % NDRAWN;
        void **block = &w->own[picks[drawn]];
        if (i % 16 == 0) { /* free what the thread before has handed on, and hand on; the two exchanges pair with each other */
            free(__atomic_exchange_n(&w->places[i / 16 % NPLACES], NULL, __ATOMIC_ACQ_REL));
            *block = __atomic_exchange_n(&w->next->places[i / 16 % NPLACES], *block, __ATOMIC_ACQ_REL);
        }
        block_replace(block, sizes[drawn]);
    }
    return NULL;
}

static uint64_t run_threads(uint32_t nthreads)
{
    struct worker *workers = map_zeroed(nthreads * sizeof *workers);
    for (uint32_t i = 0; i < nthreads; i++) {
        memset(workers[i].own, 0, sizeof workers[i].own); /* the tables' own page faults */
        workers[i].next = &workers[(i + 1) % nthreads];
        workers[i].offset = i * 7919;
    }
    uint64_t start = now_ns();
    for (uint32_t i = 0; i < nthreads; i++)
        require(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0, "pthread_create\n");
    for (uint32_t i = 0; i < nthreads; i++) pthread_join(workers[i].thread, NULL);
    return now_ns() - start;
}

int main(int argc, char **argv)
{
    bool is_threads = argc > 1 && strcmp(argv[1], "threads") == 0;
    long n = bench_argument(argc, argv, 2, is_threads ? 2 : 300000);
    nops = bench_argument(argc, argv, 3, 5000000);
    require(n >= 1 && n <= (is_threads ? NTHREADS_MAX : 1 << 30), "blocks: at least 1; threads: 1 to %d\n", NTHREADS_MAX);
    draw((uint64_t)bench_argument(argc, argv, 4, 1), is_threads ? NOWN : (uint32_t)n);
    uint64_t ns = is_threads ? run_threads((uint32_t)n) : run_live((uint32_t)n);
    bench_report(is_threads ? "scale-threads" : "scale-live", ns, (uint64_t)nops);
    return 0;
}
