/*
 * A block that is copied to a larger one, and freed, as by std::vector, is held no longer than it takes.
 *
 *     grown_by_copying [MIB = 64]
 * From 1 MiB on by doubling: each is filled before it is copied, and the last one whole. Beside the last one half of it is in use
 * as long as its other half has not been touched, so the peak is at most 1.05 of it.
 */
#include "memory.h"

#include <sys/resource.h>

int main(int argc, char **argv)
{
    size_t end = (size_t)(argc > 1 ? strtol(argv[1], NULL, 10) : 64) << 20, have = 1 << 20;
    char *block = api_malloc(have);
    struct rusage usage;
    watchdog(60);
    require(block != NULL, "malloc(%zu)\n", have);
    memset(block, 1, have);
    for (; have < end; have *= 2) {
        char *larger = api_malloc(2 * have);
        require(larger != NULL, "malloc(%zu)\n", 2 * have);
        memcpy(larger, block, have);
        api_free(block);
        block = larger;
        memset(block + have, 1, have);
    }
    getrusage(RUSAGE_SELF, &usage);
    size_t peak = (size_t)usage.ru_maxrss << 10;
    require_at_most(1.05, (double)peak / (double)(end + (8 << 20)), "peak / final size and 8 MiB for the program");
    api_free(block);
    return 0;
}
