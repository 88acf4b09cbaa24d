/*
 * The heap is a few mappings, whatever is done to it: the system allows a process 65,530, and then refuses even munmap.
 *
 *     few_mappings churn [operations = 10^8 at full size] [seed]
 * Blocks of 16 bytes to 1 KiB, one in a thousand of 1 to 16 MiB that grows by half, moves, and is freed at random; a fork now and
 * then, whose child writes to what it has. Held to 64 mappings for each GiB of heap, begun ones counted whole.
 *
 *     few_mappings large [blocks = 200000]
 * So many live blocks of 40 KB at once.
 */
#include "memory.h"

#include <sys/wait.h>

enum { NSMALL = 100000, NLARGE = 40, MAPPINGS_PER_GIB = 64 };

static void touch(unsigned char *block, size_t size)
{
    require(block != NULL, "no block of %zu bytes\n", size);
    for (size_t i = 0; i < size; i += 4096) block[i] = 1;
}

static void fork_once(unsigned char **large)
{
    pid_t child = fork();
    require(child >= 0, "fork\n");
    if (child == 0) {
        for (int i = 0; i < NLARGE; i++)
            if (large[i]) large[i][0] = 2;
        api_free(api_malloc(1000));
        _exit(0);
    }
    int status;
    require(waitpid(child, &status, 0) == child && status == 0, "the child ended with status %d\n", status);
}

static void churn(long nops, uint64_t *random)
{
    void **small = map_zeroed(NSMALL * sizeof *small);
    unsigned char *large[NLARGE] = {0};
    size_t size[NLARGE] = {0};
    for (long i = 0; i < nops; i++) {
        if (i % (nops / 100 + 1) == 0) fork_once(large);
        if (i % 1000) {
            void **place = &small[random_below(random, NSMALL)];
            api_free(*place);
            *place = api_malloc(16 + random_below(random, 1009));
            require(*place != NULL, "no small block\n");
            continue;
        }
        uint32_t k = random_below(random, NLARGE);
        if (size[k] > 16 << 20 || random_below(random, 8) == 0) {
            api_free(large[k]);
            large[k] = NULL;
            size[k] = 0;
        } else {
            size[k] = size[k] ? size[k] + size[k] / 2 : (1 << 20) + random_below(random, 1 << 20);
            large[k] = api_realloc(large[k], size[k]);
            touch(large[k], size[k]);
        }
    }
}

int main(int argc, char **argv)
{
    bool is_churn = argc > 1 && strcmp(argv[1], "churn") == 0;
    require(is_churn || (argc > 1 && strcmp(argv[1], "large") == 0), "usage: few_mappings churn|large [N] [SEED]\n");
    long n = argc > 2 ? strtol(argv[2], NULL, 10) : is_churn ? scaled(scaled(100000000)) : 200000; /* a tenth of a tenth: 2 s */
    uint64_t random = seed_choose("few_mappings", argc > 3 ? argv[3] : NULL);
    watchdog((unsigned)(280 + n / 100000)); /* at full size on a busy machine */
    size_t before = mapping_count();
    if (is_churn) churn(n, &random);
    else
        for (long i = 0; i < n; i++) touch(api_malloc(40000), 1);
    size_t held = (size_t)mallinfo2().arena, gib = (held >> 30) + 1, count = mapping_count() - before;
    say("%zu MiB of heap\n", held >> 20);
    require_at_most(MAPPINGS_PER_GIB * gib, count, "mappings");
    return 0;
}
