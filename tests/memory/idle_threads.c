/*
 * A hundred threads that have each allocated a little of many sizes hold little more than that.
 *
 *     idle_threads LARGEST LIMIT [threads = 100]
 * Each thread touches one block of each of 30 sizes, evenly spaced up to LARGEST bytes, and waits. LIMIT: KiB of Anonymous that
 * may be added by that, over the same threads waiting with nothing.
 */
#include "memory.h"

#include <pthread.h>

enum { NSIZES = 30, NTHREADS_MAX = 10000 };

static pthread_barrier_t barrier;
static size_t largest;

static void *thread(void *arg)
{
    void *block[NSIZES];
    pthread_barrier_wait(&barrier); /* all are there */
    pthread_barrier_wait(&barrier); /* measured: go on */
    for (size_t i = 0; i < NSIZES; i++) {
        size_t size = (i + 1) * largest / NSIZES;
        block[i] = api_malloc(size);
        require(block[i] != NULL, "malloc(%zu)\n", size);
        memset(block[i], 1, size);
    }
    pthread_barrier_wait(&barrier); /* all have allocated */
    pthread_barrier_wait(&barrier); /* measured: end */
    for (int i = 0; i < NSIZES; i++) api_free(block[i]);
    return arg;
}

int main(int argc, char **argv)
{
    static pthread_t threads[NTHREADS_MAX];
    require(argc >= 3, "usage: idle_threads LARGEST LIMIT [THREADS]\n");
    largest = strtoul(argv[1], NULL, 10);
    long n = argc > 3 ? strtol(argv[3], NULL, 10) : 100;
    require(largest >= NSIZES && n > 0 && n <= NTHREADS_MAX, "sizes from %d bytes, threads to %d\n", NSIZES, NTHREADS_MAX);
    watchdog(100);
    pthread_barrier_init(&barrier, NULL, (unsigned)n + 1);
    for (long i = 0; i < n; i++) require(pthread_create(&threads[i], NULL, thread, NULL) == 0, "pthread_create\n");
    pthread_barrier_wait(&barrier);
    size_t before = anonymous_nbytes();
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    size_t after = anonymous_nbytes();
    pthread_barrier_wait(&barrier);
    for (long i = 0; i < n; i++) pthread_join(threads[i], NULL);
    require_at_most(strtod(argv[2], NULL), (after - before) >> 10, "KiB that the blocks added");
    return 0;
}
