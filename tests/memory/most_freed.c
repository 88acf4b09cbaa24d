/*
 * When most of a heap is freed, most of its memory goes back, with no call but malloc and free; or by malloc_trim.
 *
 *     most_freed ORDER SIZES LIMIT [MIB = 1024] [seed]
 * ORDER   address  every block but the last tenth, from the first on       SIZES  small   16 bytes to 1 KiB
 *         thread   the same, by another thread                                    mixed   16 bytes to 128 KiB, most of them small
 *         random   nine of ten, drawn one by one                                  medium  1 to 32 KiB
 *         trimmed  the same, and malloc_trim(0)
 *         churned  the same, and then the program goes on as large as it is: survivors, drawn one by one, make room for others of random
 *                  size, 4000 for each that is left, and for 9 seconds at least
 *         rested   as random, and then small operations, now and then, until little enough is held, for 60 seconds at most
 *         idle     as address, and then nothing is done, instead of a thousand small operations; until little enough is held, but for
 *                  20 seconds at most: on a machine with nothing else to do it is less than one
 * Held: Anonymous, less what it was before the first block, over the usable bytes of the survivors.
 */
#include "memory.h"

#include <pthread.h>

enum { NOPS = 1000 };

static struct table {
    void **block;
    long n;
} table;

static size_t size_small(uint64_t *random) { return 16 + random_below(random, 1009); }

/* Half to 128 bytes, most to 1 KiB, one in 8 to 8 KiB, one in 256 to 128 KiB. */
static size_t size_mixed(uint64_t *random)
{
    uint32_t kind = random_below(random, 256);
    return 16 + random_below(random, kind < 128 ? 113 : kind < 224 ? 1009 : kind < 255 ? 8177 : 131057);
}

static size_t size_medium(uint64_t *random) { return 1024 + random_below(random, 31 * 1024 + 1); }

static size_t (*size_named(const char *name))(uint64_t *)
{
    if (strcmp(name, "medium") == 0) return size_medium;
    return strcmp(name, "small") == 0 ? size_small : size_mixed;
}

static void *free_first_part(void *arg)
{
    for (long i = 0, n = table.n / 10 * 9; i < n; i++) {
        api_free(table.block[i]);
        table.block[i] = NULL;
    }
    return arg;
}

static void free_at_random(uint64_t *random)
{
    for (long i = 0; i < table.n; i++)
        if (random_below(random, 10) != 0) {
            /* In the order of a shuffle: what is freed next lies anywhere. */
            long k = i + (long)random_below(random, (uint32_t)(table.n - i));
            void *block = table.block[k];
            table.block[k] = table.block[i];
            table.block[i] = NULL;
            api_free(block);
        }
}

/* 2^34 ticks of the clock, 8 s where it is slowest, is what it takes to see that nobody wants what is free; and so many
 * replacements, until what is left lies together. */
static void replace_survivors(size_t (*size_of)(uint64_t *), uint64_t *random)
{
    uint64_t start = now_ns();
    long n = 0;
    for (long i = 0; i < table.n; i++)
        if (table.block[i]) table.block[n++] = table.block[i];
    table.n = n;
    for (long left = 4000 * n; left > 0 || now_ns() - start < UINT64_C(9000000000); left--) {
        void **block = &table.block[random_below(random, (uint32_t)n)];
        size_t size = size_of(random);
        api_free(*block);
        require((*block = api_malloc(size)) != NULL, "malloc(%zu)\n", size);
        memset(*block, 1, size);
    }
}

static void free_most(const char *order, size_t (*size_of)(uint64_t *), uint64_t *random)
{
    pthread_t thread;
    if (strcmp(order, "random") == 0 || strcmp(order, "rested") == 0) {
        free_at_random(random);
    } else if (strcmp(order, "churned") == 0) {
        free_at_random(random);
        replace_survivors(size_of, random);
    } else if (strcmp(order, "trimmed") == 0) {
        free_at_random(random);
        api_trim(0);
    } else if (strcmp(order, "thread") == 0) {
        require(pthread_create(&thread, NULL, free_first_part, NULL) == 0, "pthread_create\n");
        pthread_join(thread, NULL);
    } else {
        free_first_part(NULL);
    }
}

/* The program has other things to do: small blocks, 64 at a time. */
static void go_on(uint64_t *random)
{
    void *block[64] = {0};
    for (int i = 0; i < NOPS; i++) {
        api_free(block[i % 64]);
        block[i % 64] = api_malloc(size_small(random));
    }
    for (int i = 0; i < 64; i++) api_free(block[i]);
}

/* Until no more than `enough` is held, idle or with a thousand operations every 50 ms. */
static void wait_until(size_t enough, uint64_t seconds, uint64_t *random)
{
    uint64_t start = now_ns(), waited = 0;
    while (waited < seconds * 1000 && anonymous_nbytes() > enough) {
        usleep(50000);
        if (random) go_on(random);
        waited = (now_ns() - start) / 1000000;
    }
    say("waited for %llu ms\n", (unsigned long long)waited);
}

int main(int argc, char **argv)
{
    require(argc >= 4,
            "usage: most_freed address|thread|random|trimmed|churned|rested|idle small|mixed|medium LIMIT [MIB] [SEED]\n");
    const char *order = argv[1];
    double limit = strtod(argv[3], NULL);
    size_t (*size_of)(uint64_t *) = size_named(argv[2]);
    size_t want = (size_t)(argc > 4 ? strtol(argv[4], NULL, 10) : 1024) << 20, held = 0, live = 0;
    uint64_t random = seed_choose("most_freed", argc > 5 ? argv[5] : NULL);
    watchdog(280);
    table.block = map_zeroed(want / 256 * sizeof *table.block); /* the mean size of each kind is above 500 */
    api_free(api_malloc(1));
    size_t before = anonymous_nbytes();
    for (size_t size; held < want; held += size) {
        void *block = api_malloc(size = size_of(&random));
        require(block != NULL, "malloc(%zu)\n", size);
        memset(block, 1, size);
        table.block[table.n++] = block;
    }
    size_t peak = anonymous_nbytes() - before;
    free_most(order, size_of, &random);
    for (long i = 0; i < table.n; i++)
        if (table.block[i]) live += api_usable_size(table.block[i]);
    size_t enough = before + (size_t)(limit * (double)live);
    if (strcmp(order, "idle") == 0) wait_until(enough, 20, NULL);
    else if (strcmp(order, "rested") == 0) wait_until(enough, 60, &random);
    else go_on(&random);
    size_t after = anonymous_nbytes() - before;
    say("%s, %s: at most %zu KiB held, at the end %zu KiB for %zu KiB in use\n", order, argv[2], peak >> 10, after >> 10,
        live >> 10);
    require_at_most(limit, (double)after / (double)live, "held / in use");
    return 0;
}
