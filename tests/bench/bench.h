/*
 * bench.h: what the benchmarks share. Each prints lines `row value ns/op` and nothing else; scripts/bench.sh reads them.
 *
 * All work is fixed in advance and drawn before the clock starts, so that every allocator does the same and the clock sees
 * malloc, free and the touching of memory only. Nothing here allocates.
 */
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#include "support.h"

/* The n-th argument as a number, or the default. */
static inline long bench_argument(int argc, char **argv, int n, long otherwise)
{
    return argc > n ? strtol(argv[n], NULL, 0) : otherwise;
}

static inline void bench_report(const char *row, uint64_t ns, uint64_t nops)
{
    say("%s %.3f ns/op\n", row, (double)ns / (double)nops);
}

/*
 * The program uses its blocks: the first word and, beyond the first cache line, the last byte. size is at least 8. volatile, or
 * the compiler knows that nobody reads it. Not a byte in the first 16: glibc's free loads the second word, and a load that covers
 * a byte just stored waits some 4 ns for it, which would be the benchmark's doing.
 */
static inline void bench_touch(void *p, size_t size)
{
    if (p == NULL) fail("malloc(%zu) refused\n", size);
    *(volatile uint64_t *)p = 1;
    if (size > 64) ((volatile char *)p)[size - 1] = 1;
}

/* The program fills its blocks: a byte in every page. */
static inline void bench_touch_pages(void *p, size_t size)
{
    bench_touch(p, size);
    for (size_t i = 0; i < size; i += 4096) ((volatile char *)p)[i] = 1;
}

/* Sizes of small blocks as programs ask for them: half up to 64 bytes, most below 512, one in 64 up to 4 KiB. */
static inline uint32_t bench_small_size(uint64_t *random)
{
    uint32_t kind = random_below(random, 64);
    if (kind < 32) return 8 + random_below(random, 57);
    if (kind < 63) return 32 + random_below(random, 481);
    return 512 + random_below(random, 3585);
}

#endif
