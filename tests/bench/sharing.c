/*
 * sharing: do blocks of different threads share a cache line? Then the threads' writes throw it to and fro, and each waits for
 * the other.
 *     sharing active|passive [threads = 2] [ops per thread = 20000000] [writes = 100, in hundreds] [size = 8]
 * active:  each thread allocates a small block, writes to it many times, frees it and begins anew. The allocator shares a line
 *          if it cuts one into blocks for two threads.
 * passive: before they do so, each frees one block that the first thread allocated for it, side by side with those of the
 *          others. The allocator shares a line if it lets a thread have again what it freed, though the line's other blocks are
 *          somewhere else.
 * One op is one malloc, the writes and one free, on all threads together; they begin at the same time.
 * The writes go in hundreds, without a loop: whether the end of a loop of ten, or of a hundred, is foreseen hangs on all branches
 * before it, and is up to half of an op (Sapphire Rapids, one thread, libmspace, the same block: 23 to 60 ns in tens, 22 in a
 * hundred; snmalloc 33 to 51, 26; beside a busy neighbour 1.6 times all of them).
 */
#include "bench.h"

#include <pthread.h>

enum { NTHREADS_MAX = 64, UNROLLED = 100 };

static long nops, nwrites;
static size_t size;
static pthread_barrier_t barrier;

static void *run(void *arg)
{
    free(arg);
    pthread_barrier_wait(&barrier);
    for (long i = 0; i < nops; i++) {
        volatile uint64_t *word = malloc(size);
        if (word == NULL) fail("malloc refused\n");
        *word = 0;
        for (long k = 0; k < nwrites; k += UNROLLED) {
#pragma GCC unroll 100
            for (int n = 0; n < UNROLLED; n++) *word += 1;
        }
        free((void *)(uintptr_t)word);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[NTHREADS_MAX];
    void *handed[NTHREADS_MAX] = {NULL};
    bool is_passive = argc > 1 && strcmp(argv[1], "passive") == 0;
    long nthreads = bench_argument(argc, argv, 2, 2);
    nops = bench_argument(argc, argv, 3, 20000000);
    nwrites = bench_argument(argc, argv, 4, 100);
    size = (size_t)bench_argument(argc, argv, 5, 8);
    require(nthreads >= 1 && nthreads <= NTHREADS_MAX, "threads: 1 to %d\n", NTHREADS_MAX);
    pthread_barrier_init(&barrier, NULL, (unsigned)nthreads);
    for (long i = 0; i < nthreads && is_passive; i++) handed[i] = malloc(size);
    uint64_t start = now_ns();
    for (long i = 0; i < nthreads; i++) require(pthread_create(&threads[i], NULL, run, handed[i]) == 0, "pthread_create\n");
    for (long i = 0; i < nthreads; i++) pthread_join(threads[i], NULL);
    bench_report(is_passive ? "sharing-passive" : "sharing-active", now_ns() - start, (uint64_t)(nthreads * nops));
    return 0;
}
