/*
 * pair: the shortest life. malloc, touch, free, of one size, over and over: the price of the fast paths and nothing else.
 *     pair [size = 16] [pairs = 60000000]
 * One op is one pair. The block is always the same one, hot in the first-level cache.
 */
#include "bench.h"

int main(int argc, char **argv)
{
    size_t size = (size_t)bench_argument(argc, argv, 1, 16);
    long npairs = bench_argument(argc, argv, 2, 60000000);
    char row[32];
    uint64_t start = now_ns();
    for (long i = 0; i < npairs; i++) {
        void *p = malloc(size);
        bench_touch(p, size);
        free(p);
    }
    uint64_t ns = now_ns() - start;
    snprintf(row, sizeof row, "pair-%zu", size);
    bench_report(row, ns, (uint64_t)npairs);
    return 0;
}
