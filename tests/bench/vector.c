/*
 * vector: arrays that grow until they are done, several of them at a time, and are filled as they grow.
 *     vector double|copy|step [ops = 100000] [live = 8] [seed = 1]
 * double: by realloc from 16 bytes by doubling to a last size that is any power of two up to 16 MiB, each as likely: a string
 *         builder.
 * copy:   the same by malloc, memcpy and free, as C++'s vectors and strings grow.
 * step:   from 64 KiB by 64 KiB more each time to at most 4 MiB, any number of steps as likely as any other: a file read piece
 *         by piece. Who copies at every step copies thirty times what there is.
 * Each op lets one of `live` vectors, chosen at random, grow once and writes a byte into every page that is new, or frees it if
 * it is done and begins another. One op is one realloc, or one free and one malloc, and the touching.
 */
#include "bench.h"

enum { NDRAWN = 1 << 16, LIVE_MAX = 1024, STEP = 64 << 10 };

struct vector {
    char *bytes;
    size_t size, last_size;
};

static uint32_t picks[NDRAWN];
static size_t last_sizes[NDRAWN];

static void *copy(struct vector *v, size_t size)
{
    char *larger = malloc(size);
    if (v->bytes) memcpy(larger, v->bytes, v->size);
    free(v->bytes);
    return larger;
}

static void vector_grow(struct vector *v, size_t size, bool by_copying)
{
    v->bytes = by_copying ? copy(v, size) : realloc(v->bytes, size); /* of NULL: malloc */
    bench_touch(v->bytes, size);
    for (size_t i = v->size; i < size; i += 4096) ((volatile char *)v->bytes)[i] = 1;
    v->size = size;
}

int main(int argc, char **argv)
{
    bool is_step = argc > 1 && strcmp(argv[1], "step") == 0, by_copying = argc > 1 && strcmp(argv[1], "copy") == 0;
    long nops = bench_argument(argc, argv, 2, 100000), live = bench_argument(argc, argv, 3, 8);
    uint64_t random = (uint64_t)bench_argument(argc, argv, 4, 1);
    static struct vector vectors[LIVE_MAX];
    require(live >= 1 && live <= LIVE_MAX, "live: 1 to %d\n", LIVE_MAX);
    for (int i = 0; i < NDRAWN; i++) {
        picks[i] = random_below(&random, (uint32_t)live);
        last_sizes[i] = is_step ? (size_t)STEP * (1 + random_below(&random, 64)) : (size_t)16 << random_below(&random, 21);
    }
    uint64_t start = now_ns();
    for (long i = 0; i < nops; i++) {
        struct vector *v = &vectors[picks[i % NDRAWN]];
        if (v->size < v->last_size) {
            vector_grow(v, is_step ? v->size + STEP : 2 * v->size, by_copying);
            continue;
        }
        free(v->bytes);
        *v = (struct vector){NULL, 0, last_sizes[i % NDRAWN]};
        vector_grow(v, is_step ? STEP : 16, by_copying);
    }
    bench_report(is_step ? "vector-step" : by_copying ? "vector-copy" : "vector-double", now_ns() - start, (uint64_t)nops);
    return 0;
}
