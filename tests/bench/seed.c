/*
 * seed: the benchmark of the project that this one grew from. 10,000 blocks of 1024 bytes are allocated, then freed in the same
 * order; each phase is timed, once, from a cold start: page faults are part of it.
 *     seed [malloc|mspace] [blocks = 10000] [size = 1024]
 * mspace: through mspacec and mspacer, found by name; where the process has none, through malloc and free after all, so that in a
 * table of allocators the row compares our two functions with what the others have.
 */
#include "bench.h"

#include <dlfcn.h>

int main(int argc, char **argv)
{
    bool by_mspace = argc > 1 && strcmp(argv[1], "mspace") == 0;
    size_t nblocks = (size_t)bench_argument(argc, argv, 2, 10000), size = (size_t)bench_argument(argc, argv, 3, 1024);
    void **blocks = map_zeroed(nblocks * sizeof *blocks);
    memset(blocks, 1, nblocks * sizeof *blocks); /* the table's own page faults are not the allocator's */
    void *found_new = by_mspace ? dlsym(RTLD_DEFAULT, "mspacec") : NULL;
    void *found_release = by_mspace ? dlsym(RTLD_DEFAULT, "mspacer") : NULL;
    void *(*mspacec)(size_t) = (void *(*)(size_t))found_new;
    int (*mspacer)(void *) = (int (*)(void *))found_release;
    by_mspace = mspacec != NULL && mspacer != NULL;

    uint64_t start = now_ns();
    if (by_mspace) for (size_t i = 0; i < nblocks; i++) blocks[i] = mspacec(size);
    else for (size_t i = 0; i < nblocks; i++) blocks[i] = malloc(size);
    uint64_t allocated = now_ns();
    if (by_mspace) for (size_t i = 0; i < nblocks; i++) mspacer(blocks[i]);
    else for (size_t i = 0; i < nblocks; i++) free(blocks[i]);
    uint64_t freed = now_ns();

    const char *way = argc > 1 && strcmp(argv[1], "mspace") == 0 ? "mspacec" : "malloc";
    char row[32];
    snprintf(row, sizeof row, "seed-%s-allocate", way);
    bench_report(row, allocated - start, nblocks);
    snprintf(row, sizeof row, "seed-%s-free", way);
    bench_report(row, freed - allocated, nblocks);
    return 0;
}
