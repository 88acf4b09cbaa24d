/*
 * cold_free: a program that tears down a big structure: blocks that are in no cache are freed in an order that no prefetcher
 * guesses.
 *     cold_free [blocks = 1000000] [size = 64] [seed = 1]
 * Each is written once, when it is made, as a structure's are, and by then long out of the caches: what a free misses is what the
 * allocator reads or writes. Only the frees are timed; one op is one free.
 */
#include "bench.h"

int main(int argc, char **argv)
{
    size_t nblocks = (size_t)bench_argument(argc, argv, 1, 1000000), size = (size_t)bench_argument(argc, argv, 2, 64);
    uint64_t random = (uint64_t)bench_argument(argc, argv, 3, 1);
    void **blocks = map_zeroed(nblocks * sizeof *blocks);
    for (size_t i = 0; i < nblocks; i++) bench_touch(blocks[i] = malloc(size), size);
    for (size_t i = nblocks - 1; i > 0; i--) { /* Fisher and Yates */
        size_t k = random_next(&random) % (i + 1);
        void *swapped = blocks[i];
        blocks[i] = blocks[k];
        blocks[k] = swapped;
    }
    uint64_t start = now_ns();
    for (size_t i = 0; i < nblocks; i++) free(blocks[i]);
    bench_report("cold-free", now_ns() - start, nblocks);
    return 0;
}
