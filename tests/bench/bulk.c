/*
 * bulk: a program that works in batches: a request, a frame, a file. Blocks of one size are allocated, then all of them are
 * freed.
 *     bulk lifo|fifo|random [size = 64] [blocks = 10000] [rounds = 20000] [seed = 1]
 * lifo:   the last one first, as a stack or a list unwinds.
 * fifo:   in the order of their birth, as a table is walked.
 * random: in an order that is drawn once, as a hash table is walked. From the second round on the blocks come in the order in
 *         which they were freed, or in the allocator's own: who hands out what was freed last pays with scattered blocks.
 * One op is one malloc and one free. 10,000 blocks of 64 bytes outgrow the first-level cache and every allocator's cache of a
 * thread.
 */
#include "bench.h"

int main(int argc, char **argv)
{
    const char *order = argc > 1 ? argv[1] : "lifo";
    size_t size = (size_t)bench_argument(argc, argv, 2, 64), nblocks = (size_t)bench_argument(argc, argv, 3, 10000);
    long nrounds = bench_argument(argc, argv, 4, 20000);
    uint64_t random = (uint64_t)bench_argument(argc, argv, 5, 1);
    void **blocks = map_zeroed(nblocks * sizeof *blocks);
    uint32_t *deaths = map_zeroed(nblocks * sizeof *deaths); /* deaths[i]: the block that is freed as the i-th */
    for (size_t i = 0; i < nblocks; i++) {
        deaths[i] = (uint32_t)(strcmp(order, "lifo") == 0 ? nblocks - 1 - i : i);
        blocks[i] = NULL; /* touches the table */
    }
    for (size_t i = nblocks - 1; i > 0 && strcmp(order, "random") == 0; i--) { /* Fisher and Yates */
        size_t k = random_below(&random, (uint32_t)i + 1);
        uint32_t swapped = deaths[i];
        deaths[i] = deaths[k];
        deaths[k] = swapped;
    }
    char row[32];
    uint64_t start = now_ns();
    for (long round = 0; round < nrounds; round++) {
        for (size_t i = 0; i < nblocks; i++) {
            blocks[i] = malloc(size);
            bench_touch(blocks[i], size);
        }
        for (size_t i = 0; i < nblocks; i++) free(blocks[deaths[i]]);
    }
    uint64_t ns = now_ns() - start;
    snprintf(row, sizeof row, "bulk-%s", order);
    bench_report(row, ns, (uint64_t)nrounds * nblocks);
    return 0;
}
