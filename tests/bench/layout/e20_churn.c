/* e20_churn.c - E20: what does random churn over many spans cost, and why?
 *
 * N spans' worth (64 KiB each) of blocks of one size are live; a random one is freed and a new one allocated in its stead.
 * Unless WRITE, the caller touches no block, so all the memory traffic is the allocator's: the block freed, the descriptor
 * and the pair of its span, the block popped. Printed besides time: refills per 1,000 (how often malloc leaves its fast path) and
 * slices in use (what a policy costs in memory). */
#include "bench.h"
#include "stub.h"

#ifndef WRITE
#define WRITE 0 /* the caller writes 8 bytes of each new block */
#endif
static void **blocks;

static void run(size_t nspans, size_t size, size_t rounds, bool report)
{
    char name[32];
    size_t n = nspans * (SLICE / size);
    for (size_t i = 0; i < n; i++) blocks[i] = stub_malloc(size);
    shuffle(blocks, n);
    double start = 0;
    uint64_t refills = 0;
    for (size_t i = 0; i < rounds * 2; i++) {
        if (i == rounds) start = now_ns(), refills = stub_heap->nrefills; /* the first half settles the lists */
        size_t k = (random_next() >> 20) % n;
        stub_free(blocks[k]);
        blocks[k] = stub_malloc(size);
        if (WRITE) *(size_t *)blocks[k] = i;
    }
    double ns = (now_ns() - start) / (double)rounds;
    snprintf(name, sizeof name, "%zu/%zu", nspans, size);
    row(name, ns);
    if (report) {
        row("refills", (double)(stub_heap->nrefills - refills) * 1000 / (double)rounds);
        row("slices", (double)range.limit);
    }
    for (size_t i = 0; i < n; i++) stub_free(blocks[i]);
}

int main(void)
{
    stub_init();
    blocks = map(sizeof *blocks * 1024 * (SLICE / 64));
    for (size_t nspans = 64; nspans <= 1024; nspans *= 4)
        for (size_t size = 64; size <= 2048; size = size == 64 ? 512 : size * 4)
            run(nspans, size, 2000000, nspans == 256 && size == 512);
    return 0;
}
