/*
 * batches: workers that pass their results on in batches, as a pool does with buffers, rows or nodes.
 *     batches [largest block = 16000] [rounds of each thread = 16000] [threads = 2] [seed = 1]
 * In each round a thread frees what has come, replaces 64 of 1,000 blocks of its own, and every other round sends 64 more to the
 * next thread; from 8 batches on that have not been taken it waits, and frees meanwhile what comes. Sizes from 16 bytes up, small
 * ones more likely; all of a block is written, and its first word read by whoever frees it. One op is one malloc, the writing,
 * and one free.
 */
#include "bench.h"

#include <pthread.h>
#include <sched.h>

enum { NDRAWN = 1 << 16, NTHREADS_MAX = 64, NOWN = 1000, NBATCH = 64, NPLACES = 8, STRIDE = 7 };

struct worker {
    void *own[NOWN];
    uint32_t next; /* of the drawn sizes */
    long nops;
    uint64_t sum;
    struct worker *neighbour;
    pthread_t thread;
    _Alignas(64) void **places[NPLACES]; /* batches that the thread before has sent */
};

static uint32_t sizes[NDRAWN];
static long nrounds;
static int nrunning;
static pthread_barrier_t barrier;

static uint64_t *get(struct worker *w)
{
    size_t size = sizes[w->next++ % NDRAWN];
    uint64_t *block = malloc(size);
    require(block != NULL, "malloc(%zu) refused\n", size);
    return memset(block, 1, size);
}

static void drop(struct worker *w, uint64_t *block)
{
    w->sum += *block;
    w->nops++;
    free(block);
}

static void receive(struct worker *w)
{
    for (int i = 0; i < NPLACES; i++) {
        void **batch = __atomic_exchange_n(&w->places[i], NULL, __ATOMIC_ACQ_REL);
        for (int k = 0; batch != NULL && k < NBATCH; k++) drop(w, batch[k]);
        free(batch);
    }
}

/* False: there is no place. */
static bool send(struct worker *to, void **batch)
{
    for (int i = 0; i < NPLACES; i++) {
        void **none = NULL;
        if (__atomic_compare_exchange_n(&to->places[i], &none, batch, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) return true;
    }
    return false;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < NOWN; i++) w->own[i] = get(w);
    for (long round = 0, at = 0; round < nrounds; round++) {
        receive(w);
        for (int i = 0; i < NBATCH; i++) drop(w, w->own[(at + i * STRIDE) % NOWN]);
        for (int i = 0; i < NBATCH; i++, at = (at + STRIDE) % NOWN) w->own[at] = get(w);
        if (round % 2) continue;
        void **batch = malloc(NBATCH * sizeof *batch);
        require(batch != NULL, "malloc refused\n");
        for (int i = 0; i < NBATCH; i++) batch[i] = get(w);
        while (!send(w->neighbour, batch)) receive(w), sched_yield();
    }
    /* the one before may be waiting for a place */
    for (__atomic_sub_fetch(&nrunning, 1, __ATOMIC_ACQ_REL); __atomic_load_n(&nrunning, __ATOMIC_ACQUIRE); sched_yield())
        receive(w);
    receive(w);
    for (int i = 0; i < NOWN; i++) drop(w, w->own[i]);
    return NULL;
}

int main(int argc, char **argv)
{
    static struct worker workers[NTHREADS_MAX];
    long largest = bench_argument(argc, argv, 1, 16000), nthreads = bench_argument(argc, argv, 3, 2), nops = 0;
    uint64_t random = (uint64_t)bench_argument(argc, argv, 4, 1);
    nrounds = bench_argument(argc, argv, 2, 16000);
    require(largest >= 16 && largest < INT32_MAX, "largest block: 16 bytes and up\n");
    require(nthreads >= 1 && nthreads <= NTHREADS_MAX, "threads: 1 to %d\n", NTHREADS_MAX);
    for (int i = 0; i < NDRAWN; i++) sizes[i] = 16 + random_below(&random, 1 + random_below(&random, (uint32_t)largest - 15));
    nrunning = (int)nthreads;
    pthread_barrier_init(&barrier, NULL, (unsigned)nthreads);
    uint64_t start = now_ns();
    for (long i = 0; i < nthreads; i++) {
        workers[i].neighbour = &workers[(i + 1) % nthreads];
        workers[i].next = (uint32_t)i * 7919;
        require(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0, "pthread_create\n");
    }
    for (long i = 0; i < nthreads; i++) pthread_join(workers[i].thread, NULL), nops += workers[i].nops;
    bench_report("batches", now_ns() - start, (uint64_t)nops);
    return 0;
}
