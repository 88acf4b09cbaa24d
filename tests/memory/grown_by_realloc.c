/*
 * A block that grows by realloc is never there twice.
 *
 *     grown_by_realloc alone|hemmed_in [MIB = 4096 at full size]
 * From 1 MiB on by half each time, every page touched: the peak is at most 1.05 of the final size. hemmed_in: behind it lies,
 * each time, a block that stays, so that it must move.
 */
#include "memory.h"

#include <sys/resource.h>

int main(int argc, char **argv)
{
    require(argc >= 2, "usage: grown_by_realloc alone|hemmed_in [MIB]\n");
    bool is_hemmed_in = strcmp(argv[1], "hemmed_in") == 0;
    size_t end = (size_t)(argc > 2 ? strtol(argv[2], NULL, 10) : scaled(4096)) << 20, have = 0, touched = 0; /* pages */
    unsigned char *block = NULL;
    struct rusage usage;
    watchdog(280);
    uint64_t start = now_ns();
    for (size_t size = 1 << 20; have < end; size += size / 2) {
        if (size > end) size = end;
        block = api_realloc(block, size);
        require(block != NULL, "realloc to %zu\n", size);
        for (size_t page = 0; page < touched; page++)
            require(block[page << 12] == page % 251, "page %zu changed when the block became %zu bytes\n", page, size);
        for (; touched << 12 < size; touched++) block[touched << 12] = (unsigned char)(touched % 251);
        have = size;
        /* too large for a hole, and never touched */
        if (is_hemmed_in) require(api_malloc(size / 2) != NULL, "malloc(%zu)\n", size / 2);
    }
    uint64_t time = now_ns() - start;
    getrusage(RUSAGE_SELF, &usage);
    size_t peak = (size_t)usage.ru_maxrss << 10;
    say("%zu MiB in %llu ms, %zu MiB at most\n", end >> 20, (unsigned long long)(time / 1000000), peak >> 20);
    require_at_most(1.05, (double)peak / (double)(end + (8 << 20)), "peak / final size and 8 MiB for the program");
    api_free(block);
    return 0;
}
