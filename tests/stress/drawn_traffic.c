/*
 * What a program of threads holds does not grow with the time that it runs, whoever frees whose blocks: programs drawn at random,
 * each in a process of its own.
 *
 *      drawn_traffic [seed [rounds = 1000000]]     the program of that seed alone
 *
 * Threads hand blocks to one another, first in, first out or not; some use a few for a moment, some keep some and replace or grow
 * them, of their own or in a table that all share; some end, and others go on in their place. What is held in the second half may
 * be half more than it was in the first, or than what was in use at most, and a megabyte.
 */
#include "stress.h"

#include <pthread.h>
#include <sched.h>

enum { NTHREADS = 6, NRINGS = 4, NWAYS = 3, NPLACES = 128, NKEPT = 200, NSHARED = 500, NMOMENTS = 12, NSIZES = 6, NLOOKS = 30 };
enum { NPROGRAMS = 100, NROUNDS = HAS_SHADOW ? 50000 : 1000000, SLACK = 1 << 20 };

static struct program {
    unsigned nthreads, nrings, nsizes;
    uint32_t sizes[NSIZES];
    struct part {
        unsigned nin, nout, in[NWAYS], out[NWAYS]; /* rings */
        unsigned nmoments, percent_passed, percent_kept, percent_shared, percent_grown, burst;
        bool in_order, lives_on;
        uint64_t random;
        long nbytes; /* what it has allocated, less what it has freed, whoever had allocated that; read by all */
    } parts[NTHREADS];
} program;

static struct ring {
    pthread_mutex_t lock;
    void *blocks[NPLACES];
    unsigned ntaken, nput;
} rings[NRINGS];

static struct {
    pthread_mutex_t lock;
    void *blocks[NSHARED];
} shared = {.lock = PTHREAD_MUTEX_INITIALIZER};

static long nrounds, ndone; /* of all threads; atomic */

static bool draw(uint64_t *random, unsigned percent) { return random_below(random, 100) < percent; }

static void draw_part(struct part *part, uint64_t *random)
{
    part->nin = random_below(random, NWAYS);
    part->nout = random_below(random, NWAYS);
    for (unsigned i = 0; i < NWAYS; i++) {
        part->in[i] = random_below(random, program.nrings);
        part->out[i] = random_below(random, program.nrings);
    }
    part->nmoments = draw(random, 50) ? random_below(random, NMOMENTS) : 0;
    part->percent_passed = draw(random, 75) ? 100 : random_below(random, 100);
    part->percent_kept = draw(random, 50) ? random_below(random, 100) : 0;
    part->percent_shared = draw(random, 25) ? random_below(random, 100) : 0;
    part->percent_grown = draw(random, 25) ? random_below(random, 100) : 0;
    part->burst = 1 + random_below(random, 50);
    part->in_order = draw(random, 50);
    part->lives_on = draw(random, 75);
    part->random = random_next(random);
}

static void draw_program(uint64_t seed)
{
    static const uint32_t MOST[] = {240, 2000, 20000, 60000};
    uint64_t random = seed;
    program.nthreads = 2 + random_below(&random, NTHREADS - 1);
    program.nrings = 1 + random_below(&random, NRINGS);
    program.nsizes = 1 + random_below(&random, NSIZES);
    uint32_t most = MOST[random_below(&random, 4)];
    for (unsigned i = 0; i < program.nsizes; i++) program.sizes[i] = 16 + random_below(&random, most);
    for (unsigned i = 0; i < program.nthreads; i++) draw_part(&program.parts[i], &random);
    program.parts[0].nin = 0, program.parts[0].nout = 1; /* somebody begins, and somebody takes */
    program.parts[program.nthreads - 1].nin = 1;
}

static size_t draw_size(struct part *part) { return program.sizes[random_below(&part->random, program.nsizes)]; }
static size_t size_of(const void *block) { return block ? *(const size_t *)block : 0; } /* stamped */
static void count(struct part *part, size_t made, size_t dropped)
{
    __atomic_store_n(&part->nbytes, part->nbytes + (long)made - (long)dropped, __ATOMIC_RELAXED);
}

static void *make(struct part *part)
{
    size_t size = draw_size(part);
    count(part, size, 0);
    return stamped_new(size);
}

static void drop(struct part *part, void *block)
{
    count(part, 0, size_of(block));
    stamped_free(block);
}

static void *take(struct ring *ring)
{
    pthread_mutex_lock(&ring->lock);
    void *block = ring->ntaken != ring->nput ? ring->blocks[ring->ntaken++ % NPLACES] : NULL;
    pthread_mutex_unlock(&ring->lock);
    return block;
}

static bool put(struct ring *ring, void *block)
{
    pthread_mutex_lock(&ring->lock);
    bool has_room = ring->nput - ring->ntaken < NPLACES;
    if (has_room) ring->blocks[ring->nput++ % NPLACES] = block;
    pthread_mutex_unlock(&ring->lock);
    return has_room;
}

static void replace(void **place, struct part *part)
{
    if (*place && draw(&part->random, part->percent_grown)) {
        size_t size = draw_size(part);
        stamped_check(*place);
        count(part, size, size_of(*place));
        *place = stamped(api_realloc(*place, size), size);
    } else {
        drop(part, *place);
        *place = make(part);
    }
}

static void round_of(struct part *part, void **kept)
{
    void *moments[NMOMENTS], *taken = part->nin ? take(&rings[part->in[random_below(&part->random, part->nin)]]) : NULL;
    for (unsigned i = 0; i < part->nmoments; i++) moments[i] = make(part);
    if (part->nout && draw(&part->random, part->percent_passed)) {
        void *passed = make(part);
        if (!put(&rings[part->out[random_below(&part->random, part->nout)]], passed)) drop(part, passed);
    }
    if (draw(&part->random, part->percent_kept)) replace(&kept[random_below(&part->random, NKEPT)], part);
    if (draw(&part->random, part->percent_shared)) {
        pthread_mutex_lock(&shared.lock);
        replace(&shared.blocks[random_below(&part->random, NSHARED)], part);
        pthread_mutex_unlock(&shared.lock);
    }
    for (unsigned i = 0; i < part->nmoments; i++) drop(part, moments[part->in_order ? i : part->nmoments - 1 - i]);
    drop(part, taken);
}

static bool is_over(void) { return __atomic_load_n(&ndone, __ATOMIC_RELAXED) >= nrounds; }

static void *live(void *argument)
{
    enum { LIFE = 5000 };
    struct part *part = argument;
    void *kept[NKEPT] = {NULL};
    for (unsigned n = 0; !is_over() && (part->lives_on || n < LIFE); n += part->burst) {
        for (unsigned i = 0; i < part->burst; i++) round_of(part, kept);
        __atomic_fetch_add(&ndone, part->burst, __ATOMIC_RELAXED);
        if (draw(&part->random, 6)) sched_yield();
    }
    for (int i = 0; i < NKEPT; i++) drop(part, kept[i]);
    return NULL;
}

static void *play(void *argument)
{
    pthread_t thread;
    while (!is_over())
        require(pthread_create(&thread, NULL, live, argument) == 0 && pthread_join(thread, NULL) == 0, "pthread_create\n");
    return NULL;
}

static size_t live_nbytes(void)
{
    long sum = 0;
    for (unsigned i = 0; i < program.nthreads; i++) sum += __atomic_load_n(&program.parts[i].nbytes, __ATOMIC_RELAXED);
    return sum > 0 ? (size_t)sum : 0; /* the parts are not of one moment */
}

static size_t most_held, most_live; /* so far */

static void watch(int nlooks)
{
    static int n;
    for (; n < nlooks; n++) {
        while (__atomic_load_n(&ndone, __ATOMIC_RELAXED) < nrounds / NLOOKS * n) usleep(1000);
        size_t held = resident_nbytes(), live = live_nbytes();
        if (held > most_held) most_held = held;
        if (live > most_live) most_live = live;
    }
}

static void run(uint64_t seed)
{
    pthread_t threads[NTHREADS];
    draw_program(seed);
    for (unsigned i = 0; i < program.nrings; i++) pthread_mutex_init(&rings[i].lock, NULL);
    for (unsigned i = 0; i < program.nthreads; i++)
        require(pthread_create(&threads[i], NULL, play, &program.parts[i]) == 0, "pthread_create\n");
    watch(NLOOKS / 2);
    size_t early = most_held;
    watch(NLOOKS);
    for (unsigned i = 0; i < program.nthreads; i++) pthread_join(threads[i], NULL);
    size_t usual = early > most_live ? early : most_live;
    say("%u threads, %zu KiB in use, %zu held, %zu by half-time\n", program.nthreads, most_live >> 10, most_held >> 10,
        early >> 10);
    require(most_held <= usual + usual / 2 + SLACK, "seed %llu: what is held grows with time\n", (unsigned long long)seed);
    require_sound("at the end");
}

int main(int argc, char **argv)
{
    uint64_t seed = seed_choose("drawn_traffic", argc > 1 ? argv[1] : NULL);
    nrounds = argc > 2 ? strtol(argv[2], NULL, 10) : NROUNDS;
    for (long n = argc > 1 ? 1 : scaled(NPROGRAMS); n--; seed++) {
        pid_t child = fork();
        if (child == 0) watchdog(100), run(seed), exit(0);
        child_wait(child, "a program", (long)seed);
    }
    return 0;
}
