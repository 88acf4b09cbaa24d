/*
 * survivors: long-lived blocks that are born among short-lived ones and outlive them, while the sizes that the program asks for
 * change.
 *     survivors [phases = 600] [ops per phase = 50000] [seed = 1]
 * Each phase has a size of its own, 16 bytes to 4 KiB, and asks for that to twice that. A block dies after 4,000 others, or at
 * the phase's end; but every 16th is a survivor, which dies when a later one takes its place, chosen at random among 8,192: after
 * two or three phases on average, a few after ten. The survivors of a phase are few; how much they keep from being given back, or
 * used for another size, is up to the allocator: see the memory table as well. One op is one malloc and one free.
 */
#include "bench.h"

enum { NDRAWN = 1 << 16, NSURVIVORS = 1 << 13, NSHORT = 4000 };

static uint16_t parts[NDRAWN], picks[NDRAWN];
static uint8_t powers[NDRAWN];
static void *survivors[NSURVIVORS], *shorts[NSHORT];

/* One phase: its size, and where in the drawn numbers it begins. */
static void phase(uint32_t size, uint32_t offset, long nops)
{
    for (long i = 0; i < nops; i++) {
        uint32_t drawn = (offset + (uint32_t)i) % NDRAWN, asked = size + (uint32_t)(((uint64_t)size * parts[drawn]) >> 16);
        void **place = i % 16 == 0 ? &survivors[picks[drawn]] : &shorts[i % NSHORT];
        free(*place);
        *place = malloc(asked);
        bench_touch(*place, asked);
    }
    for (int i = 0; i < NSHORT; i++) {
        free(shorts[i]);
        shorts[i] = NULL;
    }
}

int main(int argc, char **argv)
{
    long nphases = bench_argument(argc, argv, 1, 600), nops = bench_argument(argc, argv, 2, 50000);
    uint64_t random = (uint64_t)bench_argument(argc, argv, 3, 1);
    for (int i = 0; i < NDRAWN; i++) {
        parts[i] = (uint16_t)random_next(&random);
        picks[i] = (uint16_t)random_below(&random, NSURVIVORS);
        powers[i] = (uint8_t)random_below(&random, 9);
    }
    uint64_t start = now_ns();
    for (long i = 0; i < nphases; i++) phase(UINT32_C(16) << powers[i % NDRAWN], (uint32_t)i * 7919, nops);
    bench_report("survivors", now_ns() - start, (uint64_t)(nphases * nops));
    return 0;
}
