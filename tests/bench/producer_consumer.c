/*
 * producer_consumer: one thread only allocates, the other only frees; every free is remote.
 *     producer_consumer [blocks = 10000000] [places = 4096] [seed = 1]
 * Small mixed sizes (8 bytes to 4 KiB). One op is one malloc and one free, from the first put to the last free.
 */
#include "bench.h"
#include "ring.h"

#include <pthread.h>

enum { NDRAWN = 1 << 16 };

static struct ring ring;
static uint32_t sizes[NDRAWN];
static long nblocks;

static void *consume(void *arg)
{
    (void)arg;
    for (long i = 0; i < nblocks; i++) free(ring_take(&ring));
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t consumer;
    nblocks = bench_argument(argc, argv, 1, 10000000);
    ring.mask = (size_t)bench_argument(argc, argv, 2, RING_NPLACES_MAX) - 1;
    require((ring.mask & (ring.mask + 1)) == 0 && ring.mask < RING_NPLACES_MAX, "places: a power of two up to %d\n",
            RING_NPLACES_MAX);
    uint64_t random = (uint64_t)bench_argument(argc, argv, 3, 1);
    for (int i = 0; i < NDRAWN; i++) sizes[i] = bench_small_size(&random);
    uint64_t start = now_ns();
    require(pthread_create(&consumer, NULL, consume, NULL) == 0, "pthread_create\n");
    for (long i = 0; i < nblocks; i++) {
        void *block = malloc(sizes[i % NDRAWN]);
        bench_touch(block, sizes[i % NDRAWN]);
        ring_put(&ring, block);
    }
    pthread_join(consumer, NULL);
    bench_report("producer-consumer", now_ns() - start, (uint64_t)nblocks);
    return 0;
}
