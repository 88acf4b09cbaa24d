/* e4_bitmap.c - E4: from which block size do bitmaps beat lists?
 *
 * The argument is the size. The caller writes 8 bytes of each new block, as callers do. hot: 128 KiB of blocks;
 * cold: 32 MiB, more than the second-level cache. lifo, fifo and random are the orders of the frees; pair is one block. */
#include <string.h>

#include "bench.h"
#include "stub.h"

enum { LIFO, FIFO, RANDOM };
static void *blocks[(32 << 20) / 16], *order[(32 << 20) / 16];

static double run(size_t size, size_t n, size_t rounds, int how)
{
    double spent = 0;
    for (size_t r = 0; r < rounds; r++) {
        double start = now_ns();
        for (size_t i = 0; i < n; i++) *(size_t *)(blocks[i] = stub_malloc(size)) = i;
        spent += now_ns() - start;
        if (how == RANDOM) shuffle(blocks, n);
        memcpy(order, blocks, n * sizeof *order);
        start = now_ns();
        for (size_t i = 0; i < n; i++) stub_free(order[how == LIFO ? n - 1 - i : i]);
        spent += now_ns() - start;
    }
    return spent / (double)(n * rounds);
}

int main(int argc, char **argv)
{
    size_t size = argc > 1 ? (size_t)atoi(argv[1]) : 64;
    stub_init();
    double start = now_ns();
    for (size_t i = 0; i < 5000000; i++) stub_free(stub_malloc(size));
    row("pair", (now_ns() - start) / 5e6);
    size_t hot = ((size_t)128 << 10) / size, cold = ((size_t)32 << 20) / size;
    row("hot-lifo", run(size, hot, 4000000 / hot / 4, LIFO));
    row("hot-fifo", run(size, hot, 4000000 / hot / 4, FIFO));
    row("hot-random", run(size, hot, 4000000 / hot / 4, RANDOM));
    run(size, cold, 1, FIFO);
    size_t rounds = 1 + 1000000 / cold;
    row("cold-lifo", run(size, cold, rounds, LIFO));
    row("cold-fifo", run(size, cold, rounds, FIFO));
    row("cold-random", run(size, cold, rounds, RANDOM));
    return 0;
}
