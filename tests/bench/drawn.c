/*
 * drawn: a program drawn at random, which nobody has tuned anything for: how many threads, in which order blocks die, how large
 * they are, how much is live, how much of it is written to.
 *     drawn SEED [percent of its length = 100 | describe]
 * The same seed is the same program. scripts/bench.sh --drawn 1-100 measures a hundred. One op is one malloc (or calloc) and one
 * free, or one realloc.
 */
#include "bench.h"

#include <pthread.h>
#include <stdatomic.h>

enum { NDRAWN = 1 << 16, NSHARED = 1 << 12, NTHREADS = 4, NFEW = 6, NSLOTS_MAX = 500000 };

struct worker {
    void **slots;
    uint32_t *sizes; /* of what is in them, where it matters */
    uint64_t random;
    uint32_t next; /* of the drawn sizes */
    long left;     /* ops */
    pthread_t thread;
};

static struct {
    uint32_t nthreads, order, kind, smallest, largest, few[NFEW], nfew;
    uint32_t nshared, nzeroed; /* of 256 blocks: freed by whoever finds them in the table of all; by calloc */
    enum { ENDS, PAGES, ALL } written;
    uint32_t nslots;
    long nops; /* of each thread */
} program;

static uint32_t drawn[NDRAWN];
static _Atomic(void *) shared[NSHARED];

/* --- sizes --- */

static uint32_t evenly(uint64_t *random, uint32_t from, uint32_t to) { return from + random_below(random, to - from + 1); }

/* Each doubling is as likely as any other. */
static uint32_t by_doublings(uint64_t *random, uint32_t from, uint32_t to)
{
    uint32_t ndoublings = 0;
    while (ndoublings < 31 && (uint64_t)from << (ndoublings + 1) <= to) ndoublings++;
    uint32_t least = from << random_below(random, ndoublings + 1);
    return evenly(random, least, least > to / 2 ? to : 2 * least - 1);
}

static uint32_t of_one(uint64_t *random) { return (void)random, program.smallest; }
static uint32_t of_any(uint64_t *random) { return evenly(random, program.smallest, program.largest); }
static uint32_t of_any_doubling(uint64_t *random) { return by_doublings(random, program.smallest, program.largest); }
static uint32_t mostly_small(uint64_t *random)
{
    return random_below(random, 20) ? by_doublings(random, 8, 300) : of_any_doubling(random);
}
static uint32_t of_a_few(uint64_t *random) { return program.few[random_below(random, program.nfew)]; }

static const struct {
    const char *name;
    uint32_t (*draw)(uint64_t *random);
} KINDS[] = {{"of one size", of_one},
             {"of any size", of_any},
             {"of any doubling", of_any_doubling},
             {"mostly small", mostly_small},
             {"of a few sizes", of_a_few}};

/* --- what a thread does with a block --- */

static void write_to(char *p, size_t size)
{
    if (program.written == PAGES) bench_touch_pages(p, size);
    else if (program.written == ENDS) bench_touch(p, size);
    else memset(p, 1, size);
}

static void get(struct worker *worker, void **slot, uint32_t size)
{
    bool is_zeroed = program.nzeroed && random_below(&worker->random, 256) < program.nzeroed;
    *slot = is_zeroed ? calloc(1, size) : malloc(size);
    write_to(*slot, size);
}

static void put(struct worker *worker, void **slot)
{
    void *p = *slot;
    *slot = NULL;
    if (program.nshared && random_below(&worker->random, 256) < program.nshared)
        p = atomic_exchange(&shared[random_below(&worker->random, NSHARED)], p);
    free(p);
}

static uint32_t next_size(struct worker *worker) { return drawn[worker->next++ % NDRAWN]; }
static uint32_t any_slot(struct worker *worker) { return random_below(&worker->random, program.nslots); }

static void replace(struct worker *worker, void **slot)
{
    put(worker, slot);
    get(worker, slot, next_size(worker));
    worker->left--;
}

static void fill(struct worker *worker)
{
    for (uint32_t i = 0; i < program.nslots; i++) get(worker, &worker->slots[i], next_size(worker)), worker->left--;
}

/* --- orders in which blocks die --- */

static void at_random(struct worker *worker)
{
    while (worker->left > 0) replace(worker, &worker->slots[any_slot(worker)]);
}

static void oldest_first(struct worker *worker)
{
    for (uint32_t i = 0; worker->left > 0; i = (i + 1) % program.nslots) replace(worker, &worker->slots[i]);
}

static void as_of_a_stack(struct worker *worker)
{
    for (uint32_t height = 0; worker->left > 0; worker->left--) {
        uint32_t to = any_slot(worker);
        for (; height < to; height++, worker->left--) get(worker, &worker->slots[height], next_size(worker));
        while (height > to) put(worker, &worker->slots[--height]);
    }
}

static void all_from_the_first(struct worker *worker)
{
    while (worker->left > 0) {
        fill(worker);
        for (uint32_t i = 0; i < program.nslots; i++) put(worker, &worker->slots[i]);
    }
}

static void all_from_the_last(struct worker *worker)
{
    while (worker->left > 0) {
        fill(worker);
        for (uint32_t i = program.nslots; i-- > 0;) put(worker, &worker->slots[i]);
    }
}

static void all_at_random(struct worker *worker)
{
    while (worker->left > 0) {
        fill(worker);
        for (uint32_t i = program.nslots; i-- > 0;) {
            void **any = &worker->slots[random_below(&worker->random, i + 1)], *p = *any;
            *any = worker->slots[i];
            worker->slots[i] = p;
            put(worker, &worker->slots[i]);
        }
    }
}

/* Four of five go at the end of a phase, and the next one's sizes are half as large, or twice. */
static void in_phases(struct worker *worker)
{
    for (bool is_half = true; worker->left > 0; is_half = !is_half)
        for (uint32_t i = 0; i < program.nslots; i++) {
            void **slot = &worker->slots[i];
            if (*slot && random_below(&worker->random, 5)) put(worker, slot);
            if (!*slot) get(worker, slot, is_half ? next_size(worker) / 2 + 8 : next_size(worker)), worker->left--;
        }
}

/* Half as large again by realloc, until they are as large as any. */
static void by_growing(struct worker *worker)
{
    for (; worker->left > 0; worker->left--) {
        uint32_t i = any_slot(worker), before = worker->sizes[i],
                 size = before ? before + before / 2 + 8 : program.smallest / 4 + 8;
        if (before >= program.largest) {
            put(worker, &worker->slots[i]);
            worker->sizes[i] = 0;
            continue;
        }
        worker->sizes[i] = size < program.largest ? size : program.largest;
        worker->slots[i] = realloc(worker->slots[i], worker->sizes[i]);
        write_to(worker->slots[i], worker->sizes[i]);
    }
}

static const struct {
    const char *name;
    void (*run)(struct worker *worker);
} ORDERS[] = {
    {"replaced at random", at_random}, {"replaced, the oldest first", oldest_first}, {"as of a stack", as_of_a_stack},
    {"filled and dropped from the first", all_from_the_first}, {"filled and dropped from the last", all_from_the_last},
    {"filled and dropped at random", all_at_random}, {"in phases", in_phases}, {"growing", by_growing}};

static void *work(void *argument)
{
    struct worker *worker = argument;
    ORDERS[program.order].run(worker);
    for (uint32_t i = 0; i < program.nslots; i++) free(worker->slots[i]);
    return NULL;
}

/* --- drawing --- */

/* As many ops as take some 0.1 s: 20 ns each, and what is written. */
static long ops_for(uint64_t mean, int percent)
{
    uint64_t ns = 20 + (program.written == ALL ? mean / 20 : program.written == PAGES ? mean / 300 : 0);
    if (ORDERS[program.order].run == by_growing) ns += mean / 16;
    return (long)(500000 * (uint64_t)percent / ns / (program.nthreads > 2 ? 2 : 1));
}

static void draw(uint64_t random, int percent)
{
    static const uint32_t NTHREADS_OF[] = {1, 1, 1, 2, 2, NTHREADS};
    program.nthreads = NTHREADS_OF[random_below(&random, sizeof NTHREADS_OF / sizeof *NTHREADS_OF)];
    program.order = random_below(&random, sizeof ORDERS / sizeof *ORDERS);
    program.kind = random_below(&random, sizeof KINDS / sizeof *KINDS);
    program.smallest = by_doublings(&random, 8, 20000);
    program.largest = program.smallest * (2 + by_doublings(&random, 1, 60));
    program.nfew = evenly(&random, 2, NFEW);
    for (uint32_t i = 0; i < program.nfew; i++) program.few[i] = of_any_doubling(&random);
    program.written = random_below(&random, 3);
    program.nshared = program.nthreads > 1 && random_below(&random, 2) ? by_doublings(&random, 2, 255) : 0;
    program.nzeroed = random_below(&random, 5) ? 0 : evenly(&random, 1, 255);
    uint64_t live = by_doublings(&random, 50000, 100000000), sum = 0;
    for (int i = 0; i < NDRAWN; i++) sum += drawn[i] = KINDS[program.kind].draw(&random);
    uint64_t mean = sum / NDRAWN, nslots = live / mean / program.nthreads;
    program.nslots = (uint32_t)(nslots < 4 ? 4 : nslots > NSLOTS_MAX ? NSLOTS_MAX : nslots);
    program.nops = ops_for(mean, percent);
}

static void describe(void)
{
    static const char *const WRITTEN[] = {"first and last bytes", "each page", "all"};
    say("%u threads with %u blocks each, %s, from %u to %u bytes, %s; written to: %s; %u %% by calloc, %u %% freed by any "
        "thread\n",
        program.nthreads, program.nslots, KINDS[program.kind].name, program.smallest, program.largest, ORDERS[program.order].name,
        WRITTEN[program.written], program.nzeroed * 100 / 256, program.nshared * 100 / 256);
}

int main(int argc, char **argv)
{
    static struct worker workers[NTHREADS];
    bool is_described = argc > 2 && strcmp(argv[2], "describe") == 0;
    long seed = bench_argument(argc, argv, 1, 1), percent = is_described ? 0 : bench_argument(argc, argv, 2, 100);
    draw((uint64_t)seed, (int)percent);
    if (is_described) return describe(), 0;
    for (uint32_t i = 0; i < program.nthreads; i++) {
        workers[i] = (struct worker){.random = (uint64_t)seed + i, .next = i * (NDRAWN / NTHREADS), .left = program.nops};
        workers[i].slots = map_zeroed(program.nslots * sizeof(void *));
        workers[i].sizes = map_zeroed(program.nslots * sizeof(uint32_t));
    }
    uint64_t start = now_ns();
    for (uint32_t i = 1; i < program.nthreads; i++)
        require(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0, "no thread\n");
    work(&workers[0]);
    for (uint32_t i = 1; i < program.nthreads; i++) pthread_join(workers[i].thread, NULL);
    char row[32];
    snprintf(row, sizeof row, "drawn-%ld", seed);
    bench_report(row, now_ns() - start, (uint64_t)program.nops * program.nthreads);
    return 0;
}
