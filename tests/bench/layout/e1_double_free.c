/* e1_double_free.c - E1: what does each way of noticing a double free cost?
 *
 * Rows, nanoseconds for one malloc and one free together unless said otherwise:
 *      pair        malloc and free of 64 bytes, at once
 *      lifo, fifo  2,000 blocks of 64 bytes (hot), freed newest first or oldest first
 *      mixed       50,000 live blocks of 16 to 1,024 bytes; a random one dies and a new one is born and written
 *      cold        free alone of a million untouched blocks of 64 bytes, 64 MB, in random order
 *      bulk SIZE   64 MB of blocks freed in order of address: every span becomes empty and is released
 * With the argument pair, lifo or mixed a short run of that row alone, for counting instructions. */
#include <string.h>

#include "bench.h"
#include "stub.h"

enum { HOT = 2000, LIVE = 50000, COLD_BLOCKS = 1000000 };
static void *blocks[COLD_BLOCKS * 4 + 200000];

static double run_pair(size_t rounds)
{
    double start = now_ns();
    for (size_t i = 0; i < rounds; i++) stub_free(stub_malloc(64));
    return (now_ns() - start) / (double)rounds;
}

static double run_hot(size_t rounds, bool lifo)
{
    double start = now_ns();
    for (size_t r = 0; r < rounds; r++) {
        for (size_t i = 0; i < HOT; i++) *(size_t *)(blocks[i] = stub_malloc(64)) = i;
        for (size_t i = 0; i < HOT; i++) stub_free(blocks[lifo ? HOT - 1 - i : i]);
    }
    return (now_ns() - start) / (double)(rounds * HOT);
}

/* Small sizes are the common ones: the sum of two draws from a falling distribution. */
static size_t random_size(uint64_t r) { return 16 + (r & 255) * ((r >> 8) & 255) * ((r >> 16) & 255) / 16450; }

static double run_mixed(size_t rounds)
{
    for (size_t i = 0; i < LIVE; i++) memset(blocks[i] = stub_malloc(random_size(random_next())), 1, 16);
    double start = now_ns();
    for (size_t i = 0; i < rounds; i++) {
        uint64_t r = random_next();
        size_t k = (r >> 32) % LIVE;
        stub_free(blocks[k]);
        memset(blocks[k] = stub_malloc(random_size(r)), 1, 16);
    }
    double ns = (now_ns() - start) / (double)rounds;
    for (size_t i = 0; i < LIVE; i++) stub_free(blocks[i]);
    return ns;
}

static double run_cold(size_t size, size_t n, bool random)
{
    for (size_t i = 0; i < n; i++) blocks[i] = stub_malloc(size);
    if (random) shuffle(blocks, n);
    double start = now_ns();
    for (size_t i = 0; i < n; i++) stub_free(blocks[i]);
    return (now_ns() - start) / (double)n;
}

int main(int argc, char **argv)
{
    const char *only = argc > 1 ? argv[1] : "";
    stub_init();
    if (strcmp(only, "pair") == 0)
        row("pair", run_pair(100000));
    else if (strcmp(only, "lifo") == 0)
        row("lifo", run_hot(50, true));
    else if (strcmp(only, "mixed") == 0)
        row("mixed", run_mixed(100000));
    if (*only) return 0;

    run_pair(1000000);
    row("pair", run_pair(20000000));
    run_hot(100, true);
    row("lifo", run_hot(4000, true));
    row("fifo", run_hot(4000, false));
    run_mixed(1000000);
    row("mixed", run_mixed(5000000));
    run_cold(64, COLD_BLOCKS, true);
    row("cold", (run_cold(64, COLD_BLOCKS, true) + run_cold(64, COLD_BLOCKS, true) + run_cold(64, COLD_BLOCKS, true)) / 3);
    static const struct {
        const char *name;
        size_t size;
    } bulk[] = {{"bulk16", 16}, {"bulk64", 64}, {"bulk512", 512}, {"bulk4096", 4096}};
    for (size_t i = 0; i < 4; i++) {
        size_t n = ((size_t)64 << 20) / bulk[i].size;
        run_cold(bulk[i].size, n, false);
        row(bulk[i].name, (run_cold(bulk[i].size, n, false) + run_cold(bulk[i].size, n, false)) / 2);
    }
    return 0;
}
