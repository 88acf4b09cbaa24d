/*
 * large: a program that works on a few big arrays at a time, 256 KiB to 16 MiB, every power of two as likely as any other.
 *     large [ops = 1000] [live = 8] [seed = 1]
 * Each op frees a block chosen at random among `live` ones, allocates another and writes a byte into every page of it. An
 * allocator that gives memory back at once pays a page fault for each; one that never does holds far more than it needs: see the
 * memory table.
 */
#include "bench.h"

enum { LIVE_MAX = 1024 };

int main(int argc, char **argv)
{
    long nops = bench_argument(argc, argv, 1, 1000), live = bench_argument(argc, argv, 2, 8);
    uint64_t random = (uint64_t)bench_argument(argc, argv, 3, 1);
    static void *blocks[LIVE_MAX];
    require(live >= 1 && live <= LIVE_MAX, "live: 1 to %d\n", LIVE_MAX);
    uint64_t start = now_ns();
    for (long i = 0; i < nops; i++) {
        void **block = &blocks[random_below(&random, (uint32_t)live)];
        size_t power = (size_t)256 << (10 + random_below(&random, 6)), size = power + random_below(&random, (uint32_t)power);
        free(*block);
        *block = malloc(size);
        bench_touch_pages(*block, size);
    }
    bench_report("large", now_ns() - start, (uint64_t)nops);
    return 0;
}
