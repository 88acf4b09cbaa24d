/*
 * medium: buffers of 32 to 256 KiB that cross from the thread that fills them to the one that frees them, as in a pipeline.
 *     medium [blocks = 100000] [places = 32] [seed = 1]
 * The first thread writes a byte into every page; so does the second, before it frees: first touches are paid, if memory was
 * given back in between. One op is one malloc, both touchings (36 pages on average) and one free.
 */
#include "bench.h"
#include "ring.h"

#include <pthread.h>

enum { NDRAWN = 1 << 12, LEAST = 32 << 10, MOST = 256 << 10 };

static struct ring ring;
static uint32_t sizes[NDRAWN];
static long nblocks;

static void *consume(void *arg)
{
    (void)arg;
    for (long i = 0; i < nblocks; i++) {
        void *block = ring_take(&ring);
        bench_touch_pages(block, sizes[i % NDRAWN]);
        free(block);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t consumer;
    nblocks = bench_argument(argc, argv, 1, 100000);
    ring.mask = (size_t)bench_argument(argc, argv, 2, 32) - 1;
    require((ring.mask & (ring.mask + 1)) == 0 && ring.mask < RING_NPLACES_MAX, "places: a power of two up to %d\n",
            RING_NPLACES_MAX);
    uint64_t random = (uint64_t)bench_argument(argc, argv, 3, 1);
    for (int i = 0; i < NDRAWN; i++) sizes[i] = LEAST + random_below(&random, MOST - LEAST + 1);
    uint64_t start = now_ns();
    require(pthread_create(&consumer, NULL, consume, NULL) == 0, "pthread_create\n");
    for (long i = 0; i < nblocks; i++) {
        void *block = malloc(sizes[i % NDRAWN]);
        bench_touch_pages(block, sizes[i % NDRAWN]);
        ring_put(&ring, block);
    }
    pthread_join(consumer, NULL);
    bench_report("medium", now_ns() - start, (uint64_t)nblocks);
    return 0;
}
