/*
 * pair: the shortest life. malloc, touch, free, of one size, over and over: the price of the fast paths and nothing else.
 *     pair [size = 16] [pairs = 60000000]
 * One op is one pair. The block is always the same one, hot in the first-level cache. From 64 KiB on a byte in every page is
 * written: what a free gives back to the system the next pair has to fetch again.
 */
#include "bench.h"

enum { WRITTEN = 64 << 10 };

int main(int argc, char **argv)
{
    size_t size = (size_t)bench_argument(argc, argv, 1, 16);
    long npairs = bench_argument(argc, argv, 2, 60000000);
    char row[32];
    uint64_t start = now_ns();
    for (long i = 0; i < npairs; i++) {
        void *p = malloc(size);
        if (size < WRITTEN) bench_touch(p, size);
        else bench_touch_pages(p, size);
        free(p);
    }
    uint64_t ns = now_ns() - start;
    snprintf(row, sizeof row, "pair-%zu", size);
    bench_report(row, ns, (uint64_t)npairs);
    return 0;
}
