/*
 * mixed: a single-threaded program's small objects, 8 bytes to 4 KiB, in one of two orders of death; or its buffers, aligned
 * ones, or pages.
 *     mixed random|pareto|buffers|aligned|pages [ops = 20000000] [live = 20000] [seed = 1]
 * random: each op frees a block chosen at random among `live` ones and allocates another: lives are geometric, every place in
 *         the heap is as likely as any other.
 * pareto: most blocks die young, a few live very long (P(life > t) ~ 1/t, at most 65,535 ops): what real traces look like.
 *         Blocks wait in a wheel of lists, threaded through the blocks, for the op at which they die.
 * buffers: as random, of 64 bytes to 20 KiB, each size as likely as any other.
 * aligned: as random, by posix_memalign, at 64, 128, ... 4096 bytes.
 * pages: as random, of 4,200 bytes, a page and what is known of it.
 * One op is one malloc and one free. Sizes and lives are drawn beforehand.
 */
#include "bench.h"

enum { NDRAWN = 1 << 16 };

struct dying {
    struct dying *next;
};

static uint32_t sizes[NDRAWN], lives[NDRAWN];
static struct dying *wheel[NDRAWN]; /* wheel[t % NDRAWN]: blocks that die at op t */

typedef size_t size_function(uint64_t *random);

static size_t size_small(uint64_t *random) { return bench_small_size(random); }
static size_t size_buffer(uint64_t *random) { return 64 + random_below(random, (20 << 10) - 63); }
static size_t size_page(uint64_t *random) { return (void)random, 4200; }

static void draw(uint64_t random, uint32_t live, size_function *size)
{
    for (int i = 0; i < NDRAWN; i++) {
        sizes[i] = (uint32_t)size(&random);
        lives[i] = live != 0 ? random_below(&random, live) : 65535 / (1 + random_below(&random, 65535));
    }
}

static void run_random(long nops, void **slots)
{
    for (long i = 0; i < nops; i++) {
        uint32_t size = sizes[i % NDRAWN];
        /* a second walk through the table with an odd stride: slots repeat with period NDRAWN * NDRAWN only */
        void **slot = &slots[lives[(i + i / NDRAWN * 7919) % NDRAWN]];
        free(*slot);
        *slot = malloc(size);
        bench_touch(*slot, size);
    }
}

static void run_aligned(long nops, void **slots)
{
    for (long i = 0; i < nops; i++) {
        uint32_t size = sizes[i % NDRAWN], place = lives[(i + i / NDRAWN * 7919) % NDRAWN];
        free(slots[place]);
        require(posix_memalign(&slots[place], (size_t)64 << (place ^ size) % 7, size) == 0, "out of memory\n");
        bench_touch(slots[place], size);
    }
}

static void run_pareto(long nops)
{
    for (long i = 0; i < nops; i++) {
        uint32_t size = sizes[i % NDRAWN], life = lives[(i + i / NDRAWN * 7919) % NDRAWN];
        struct dying *born = malloc(size), **birth = &wheel[(i + life) % NDRAWN];
        bench_touch(born, size);
        born->next = *birth;
        *birth = born;
        for (struct dying *d = wheel[i % NDRAWN], *next; d != NULL; d = next) {
            next = d->next;
            free(d);
        }
        wheel[i % NDRAWN] = NULL;
    }
}

int main(int argc, char **argv)
{
    const char *kind = argc > 1 ? argv[1] : "random";
    char name[32];
    bool is_pareto = strcmp(kind, "pareto") == 0, are_aligned = strcmp(kind, "aligned") == 0;
    bool are_buffers = strcmp(kind, "buffers") == 0, are_pages = strcmp(kind, "pages") == 0,
         are_random = strcmp(kind, "random") == 0;
    require(is_pareto || are_aligned || are_buffers || are_pages || are_random,
            "usage: mixed random|pareto|buffers|aligned|pages [OPS] [LIVE] [SEED]\n");
    long nops = bench_argument(argc, argv, 2, 20000000), live = bench_argument(argc, argv, 3, 20000);
    void **slots = map_zeroed((size_t)live * sizeof *slots);
    size_function *size = are_buffers ? size_buffer : are_pages ? size_page : size_small;
    draw((uint64_t)bench_argument(argc, argv, 4, 1), is_pareto ? 0 : (uint32_t)live, size);
    uint64_t start = now_ns();
    if (is_pareto) run_pareto(nops);
    else if (are_aligned) run_aligned(nops, slots);
    else run_random(nops, slots);
    snprintf(name, sizeof name, "mixed-%s", kind);
    bench_report(name, now_ns() - start, (uint64_t)nops);
    return 0;
}
