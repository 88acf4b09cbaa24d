/*
 * zeroed: a program that wants its memory zeroed: tables, matrices, structs with many fields, of which little is used before they
 * go.
 *     zeroed [ops = 2500000] [live = 64] [seed = 1]
 * Each op frees a block chosen at random among `live` ones, callocs another of 64 bytes to 256 KiB, every power of two as likely
 * as any other, reads eight words spread over it (they must be 0) and writes into the first and the last. What is written is
 * little: an allocator that knows which pages are fresh from the kernel need not clear them, and one that gives them back need
 * not clear them at all, but pays for page faults. One op is one calloc, the reading and one free.
 */
#include "bench.h"

enum { NDRAWN = 1 << 16, LIVE_MAX = 1024, NREAD = 8 };

static uint32_t sizes[NDRAWN], picks[NDRAWN];
static uint64_t *blocks[LIVE_MAX];

int main(int argc, char **argv)
{
    long nops = bench_argument(argc, argv, 1, 2500000), live = bench_argument(argc, argv, 2, 64);
    uint64_t random = (uint64_t)bench_argument(argc, argv, 3, 1), sum = 0;
    require(live >= 1 && live <= LIVE_MAX, "live: 1 to %d\n", LIVE_MAX);
    for (int i = 0; i < NDRAWN; i++) {
        uint32_t power = UINT32_C(64) << random_below(&random, 12);
        sizes[i] = power + random_below(&random, power);
        picks[i] = random_below(&random, (uint32_t)live);
    }
    uint64_t start = now_ns();
    for (long i = 0; i < nops; i++) {
        uint64_t **block = &blocks[picks[i % NDRAWN]];
        size_t size = sizes[i % NDRAWN], nwords = size / sizeof **block;
        free(*block);
        *block = calloc(1, size);
        if (*block == NULL) fail("calloc(1, %zu) refused\n", size);
        for (size_t k = 0; k < NREAD; k++) sum += (*block)[k * nwords / NREAD];
        bench_touch(*block, size);
    }
    uint64_t ns = now_ns() - start;
    require(sum == 0, "calloc handed out memory that was not zero\n");
    bench_report("calloc", ns, (uint64_t)nops);
    return 0;
}
