/*
 * tail: the slowest calls: what one malloc or one free in ten thousand costs, and the worst of all.
 *     tail [ops per thread = 1000000] [threads = 2] [seed = 1]
 * Each op frees a block chosen at random among 20,000 of the thread's own and allocates another: small mixed sizes, one in 100 of
 * 4 to 64 KiB, one in 1,000 of 64 KiB to 1 MiB; all are there when the timing starts. Every 16th dying block goes to the next
 * thread, which frees it. Every call is timed by itself, with the processor's own clock; an interruption by the system in the
 * middle of one counts, as it does for the program.
 * tail-malloc, tail-free: the 99.99th percentile; -max: the slowest call. Nanoseconds; "op" is one call.
 */
#include "bench.h"

#include <pthread.h>

enum { NDRAWN = 1 << 16, NTHREADS_MAX = 64, NOWN = 20000, NPLACES = 64, STEPS = 32, NBUCKETS = 64 * STEPS };

/* How often a call took so many ticks: STEPS buckets for each doubling, 3 % wide. */
struct histogram {
    uint64_t count[NBUCKETS], max;
};

struct worker {
    void *own[NOWN];
    _Alignas(64) void *places[NPLACES]; /* filled by the thread before, emptied by this one */
    struct histogram mallocs, frees;
    pthread_t thread;
    struct worker *next;
    uint32_t offset;
};

static uint32_t sizes[NDRAWN], picks[NDRAWN];
static long nops;

static uint64_t ticks(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    return now_ns();
#endif
}

static unsigned bucket_of(uint64_t n)
{
    if (n < STEPS) return (unsigned)n;
    unsigned doubling = 63U - (unsigned)__builtin_clzll(n);
    return (doubling - 4) * STEPS + (unsigned)(n >> (doubling - 5) & (STEPS - 1));
}

static uint64_t least_of(unsigned bucket)
{
    unsigned doubling = bucket / STEPS + 4;
    return bucket < STEPS ? bucket : (uint64_t)(STEPS + bucket % STEPS) << (doubling - 5);
}

static void note(struct histogram *histogram, uint64_t n)
{
    histogram->count[bucket_of(n)]++;
    if (n > histogram->max) histogram->max = n;
}

static void free_timed(struct worker *w, void *p)
{
    uint64_t start = ticks();
    free(p);
    note(&w->frees, ticks() - start);
}

static void *malloc_timed(struct worker *w, size_t size)
{
    uint64_t start = ticks();
    void *p = malloc(size);
    note(&w->mallocs, ticks() - start);
    bench_touch(p, size);
    return p;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    for (int i = 0; i < NOWN; i++) bench_touch(w->own[i] = malloc(sizes[i]), sizes[i]);
    for (long i = 0; i < nops; i++) {
        uint32_t drawn = (w->offset + (uint32_t)i) % NDRAWN;
        void **block = &w->own[picks[drawn]];
        if (i % 16 == 0) {
            free_timed(w, __atomic_exchange_n(&w->places[i / 16 % NPLACES], NULL, __ATOMIC_ACQ_REL));
            *block = __atomic_exchange_n(&w->next->places[i / 16 % NPLACES], *block, __ATOMIC_ACQ_REL);
        }
        free_timed(w, *block);
        *block = malloc_timed(w, sizes[drawn]);
    }
    return NULL;
}

static uint32_t draw_size(uint64_t *random)
{
    uint32_t kind = random_below(random, 1000);
    if (kind >= 11) return bench_small_size(random);
    uint32_t power = kind == 0 ? UINT32_C(65536) << random_below(random, 4) : UINT32_C(4096) << random_below(random, 4);
    return power + random_below(random, power);
}

static void report(const char *name, const struct histogram *histogram, double ns_per_tick)
{
    uint64_t total = 0, sum = 0;
    unsigned bucket = NBUCKETS;
    for (unsigned i = 0; i < NBUCKETS; i++) total += histogram->count[i];
    while (bucket && sum <= total / 10000) sum += histogram->count[--bucket];
    say("tail-%s %.3f ns/op\n", name, (double)least_of(bucket) * ns_per_tick);
    say("tail-%s-max %.3f ns/op\n", name, (double)histogram->max * ns_per_tick);
}

static void add(struct histogram *sum, const struct histogram *histogram)
{
    for (unsigned i = 0; i < NBUCKETS; i++) sum->count[i] += histogram->count[i];
    if (histogram->max > sum->max) sum->max = histogram->max;
}

int main(int argc, char **argv)
{
    nops = bench_argument(argc, argv, 1, 1000000);
    long nthreads = bench_argument(argc, argv, 2, 2);
    uint64_t random = (uint64_t)bench_argument(argc, argv, 3, 1);
    require(nthreads >= 1 && nthreads <= NTHREADS_MAX, "threads: 1 to %d\n", NTHREADS_MAX);
    for (int i = 0; i < NDRAWN; i++) {
        sizes[i] = draw_size(&random);
        picks[i] = random_below(&random, NOWN);
    }
    struct worker *workers = map_zeroed((size_t)nthreads * sizeof *workers);
    memset(workers, 0, (size_t)nthreads * sizeof *workers); /* the tables' own page faults */
    uint64_t start = now_ns(), first = ticks();
    for (long i = 0; i < nthreads; i++) {
        workers[i].next = &workers[(i + 1) % nthreads];
        workers[i].offset = (uint32_t)i * 7919;
        require(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0, "pthread_create\n");
    }
    for (long i = 0; i < nthreads; i++) pthread_join(workers[i].thread, NULL);
    double ns_per_tick = (double)(now_ns() - start) / (double)(ticks() - first);
    for (long i = 1; i < nthreads; i++) {
        add(&workers->mallocs, &workers[i].mallocs);
        add(&workers->frees, &workers[i].frees);
    }
    report("malloc", &workers->mallocs, ns_per_tick);
    report("free", &workers->frees, ns_per_tick);
    return 0;
}
