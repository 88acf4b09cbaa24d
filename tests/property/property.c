/*
 * property.c: all entry points at random, on 1 to 8 threads, against a shadow model.
 *
 * Each thread draws its ops from a sequence that depends on the seed and its number alone, does them on 4,096 slots of its own,
 * and checks each at once (ops.c) against a map of what is live (model.c). Every V ops, counted over all threads, the threads
 * meet: each checks all its blocks, then one of them calls mspace_verify() and compares mallinfo2() with a walk. Every fourth
 * meeting the threads end and fresh ones carry on with their blocks, so that heaps are inherited too.
 *
 *   property --seed S --threads N --ops K --verify-every V [--lenient] [--plant FAULT] [--no-shrink]
 *
 * On failure, seed, thread, op number and the broken law are printed. A run of one thread is then shrunk: a signal-safe re-exec
 * gives a clean process, which replays ever shorter sequences in forked children as long as they break the same law (shrink.c).
 * The checker's own state is mapped, never malloc'ed, and nothing is printed through stdio.
 */
#include "ops.h"

#include "../../include/mspace.h"
#include "api.h"
#include "plant.h"
#include "shrink.h"
#include "support.h"

#include <pthread.h>

enum { NTHREADS_MAX = 64, MEETINGS_PER_LIFE = 4, DEFAULT_NOPS = 1250000, DEFAULT_VERIFY_EVERY = 100000, HANG_SECONDS = 600 };

static struct {
    uint64_t seed, nops, verify_every;
    unsigned nthreads;
    bool no_shrink;
    const char *plant;
    const char *shrink_law;     /* set in the re-executed process: the law to break */
    uint64_t shrink_nops;       /* and the number of ops that broke it */
} options;

static struct worker *workers;
static struct exchange *exchange;
static pthread_barrier_t meeting;
static bool is_replay;          /* in a child of the shrinker: report by exit status only */
static __thread struct worker *this_worker;

/* ---- reporting ---- */

static void number_print(char *text, size_t size, uint64_t n) { snprintf(text, size, "%llu", (unsigned long long)n); }

/* Replace this process, whatever state its heap is in, by one that looks for a shorter sequence. Async-signal-safe enough. */
static void shrink_exec(const char *law, uint64_t nops)
{
    char seed[24], every[24], count[24];
    sigset_t none;
    if (options.nthreads != 1 || options.no_shrink) return;
    number_print(seed, sizeof seed, options.seed);
    number_print(every, sizeof every, options.verify_every);
    number_print(count, sizeof count, nops);
    const char *argv[] = {"property", "--seed", seed, "--threads", "1", "--verify-every", every, "--plant", options.plant,
                          "--shrink-law", law, "--shrink-ops", count, op_rules.lenient ? "--lenient" : NULL, NULL};
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    alarm(0);
    execv("/proc/self/exe", (char *const *)(uintptr_t)argv);
    say("property: cannot shrink: execv: errno %d\n", errno);
}

void broke(const char *law, const char *format, ...)
{
    static int first = 1;
    char what[256], op[128] = "no op";
    va_list args;
    if (is_replay) shrink_replay_broke(law);
    if (!__atomic_exchange_n(&first, 0, __ATOMIC_RELAXED)) for (;;) pause(); /* the first one ends the process for all */
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    if (this_worker != NULL) op_describe(&this_worker->op, op, sizeof op);
    say("property: BROKEN %s: %s\n", law, what);
    say("property: seed %llu threads %u ops %llu, thread %u, op %llu: %s\n", (unsigned long long)options.seed, options.nthreads,
        (unsigned long long)options.nops, this_worker != NULL ? this_worker->number : 0,
        (unsigned long long)(this_worker != NULL ? this_worker->done : 0), op);
    if (this_worker != NULL) shrink_exec(law, this_worker->done + 1);
    _exit(1);
}

static void crashed(int sig)
{
    if (sig == SIGALRM) broke("hang", "no end after %d s", HANG_SECONDS);
    char law[] = "signal_00";
    law[7] = (char)('0' + sig / 10);
    law[8] = (char)('0' + sig % 10);
    broke(law, "the process died of signal %d", sig);
}

static void catch_crashes(void)
{
    static char stack[65536];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_handler = crashed, .sa_flags = SA_ONSTACK | SA_NODEFER};
    static const int signals[] = {SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE, SIGALRM};
    sigaltstack(&alternate, NULL);
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) sigaction(signals[i], &action, NULL);
    alarm(HANG_SECONDS);
}

/* ---- running ---- */

#ifndef MSPACE_DIRECT /* only under the names of malloc(3) is there a mallinfo2 of ours */
extern int mspace_walk(mspace_visitor *visit, void *argument) API_EXTRA;

static int add_live(const struct mspace_item *item, void *argument)
{
    if (item->kind == MSPACE_BLOCK && item->state == MSPACE_LIVE) *(size_t *)argument += item->size;
    return 0;
}

static void verify_sum(void)
{
    size_t walked = 0, summed = mallinfo2().uordblks;
    mspace_walk(add_live, &walked);
    if (walked != summed) broke("sum", "mallinfo2() says %zu bytes are in use, the blocks met in a walk are %zu", summed, walked);
}
#else
static void verify_sum(void) {}
#endif

static void verify(void)
{
    size_t nbroken = api_verify();
    if (nbroken != 0) broke("verify", "mspace_verify() found %zu broken laws", nbroken);
    if (api_is_mspace()) verify_sum();
}

static uint64_t ops_of(const struct worker *w)
{
    return options.nops / options.nthreads + (w->number < options.nops % options.nthreads);
}

/* Do the worker's ops from w->done up to `end`. */
static void worker_advance(struct worker *w, uint64_t end)
{
    for (; w->done < end; w->done++) {
        struct op op = op_draw(&w->source);
        op_do(w, exchange, &op);
    }
}

/* One life of a worker thread: a few stretches, each ended by a meeting. All threads have the same number of meetings. */
static void *worker_live(void *arg)
{
    struct worker *w = arg;
    uint64_t stretch = options.verify_every / options.nthreads + 1;
    this_worker = w;
    for (int i = 0; i < MEETINGS_PER_LIFE; i++) {
        uint64_t end = w->done + stretch, all = ops_of(w);
        worker_advance(w, end < all ? end : all);
        op_check_all(w);
        if (pthread_barrier_wait(&meeting) == PTHREAD_BARRIER_SERIAL_THREAD) verify();
        pthread_barrier_wait(&meeting);
    }
    return NULL;
}

static bool all_done(void)
{
    for (unsigned i = 0; i < options.nthreads; i++)
        if (workers[i].done < ops_of(&workers[i])) return false;
    return true;
}

static void generation_run(void)
{
    pthread_t threads[NTHREADS_MAX];
    if (options.nthreads == 1) { worker_live(&workers[0]); return; }
    for (unsigned i = 0; i < options.nthreads; i++)
        require(pthread_create(&threads[i], NULL, worker_live, &workers[i]) == 0, "pthread_create\n");
    for (unsigned i = 0; i < options.nthreads; i++) pthread_join(threads[i], NULL);
}

static void model_init(void)
{
    shadow_init();
    workers = map_zeroed(options.nthreads * sizeof *workers);
    exchange = map_zeroed(OP_NEXCHANGE * sizeof *exchange);
    for (unsigned i = 0; i < options.nthreads; i++) {
        workers[i].number = i;
        workers[i].next_id = ((uint64_t)i + 1) << 40;
        op_source_init(&workers[i].source, options.seed, i);
    }
    op_rules.alone = options.nthreads == 1;
}

static void run(void)
{
    model_init();
    pthread_barrier_init(&meeting, NULL, options.nthreads);
    while (!all_done()) generation_run();
    for (unsigned i = 0; i < options.nthreads; i++) op_free_all(&workers[i], i == 0 ? exchange : NULL);
    verify();
    say("property: %llu ops on %u threads, no law broken%s\n", (unsigned long long)options.nops, options.nthreads,
        api_is_mspace() ? ", heap verified" : "");
}

/* In a child of the shrinker: the given ops, then the laws that are checked at the end. */
static void replay(const struct op *ops, const uint32_t *kept, size_t nkept)
{
    is_replay = true;
    catch_crashes();
    alarm(60);
    model_init();
    this_worker = &workers[0];
    for (size_t i = 0; i < nkept; i++) {
        op_do(this_worker, exchange, &ops[kept[i]]);
        if ((i + 1) % options.verify_every == 0) { op_check_all(this_worker); verify(); }
    }
    op_check_all(this_worker);
    verify();
}

/* ---- the command line ---- */

static const char usage[] =
    "usage: property [--seed S] [--threads N] [--ops K] [--verify-every V] [--lenient] [--plant FAULT] [--no-shrink]\n"
    "  --seed S          the run is a function of S and N (default: random, printed)\n"
    "  --threads N       1 to 64 (default 1)\n"
    "  --ops K           over all threads (default: 1250000 times MSPACE_TEST_SCALE, itself 0.1 by default)\n"
    "  --verify-every V  ops between meetings (default: 100000, or an eighth of the ops)\n"
    "  --lenient         laws that other allocators keep: 8-byte alignment, realloc(p, 0) as they like\n"
    "  --plant FAULT     overlap, contents, zero or align: break the law between allocator and checker (one thread)\n"
    "  --no-shrink       on failure, do not look for a shorter sequence\n"
    "example: LD_PRELOAD=build/libmspace.so build/tests/property/property --threads 4 --ops 1000000\n";

static uint64_t number(const char *text, const char *option)
{
    char *end;
    errno = 0;
    uint64_t n = text != NULL ? strtoull(text, &end, 0) : 0;
    if (text == NULL || *text == '\0' || *end != '\0' || errno != 0) fail("%s wants a number\n%s", option, usage);
    return n;
}

static void options_read(char **argv)
{
    const char *seed = NULL;
    options.nthreads = 1;
    options.plant = "none";
    for (char **a = argv + 1; *a != NULL; a++) {
        const char *value = a[1];
        bool is_flag = true;
        if (strcmp(*a, "--lenient") == 0) op_rules.lenient = true;
        else if (strcmp(*a, "--no-shrink") == 0) options.no_shrink = true;
        else if (strcmp(*a, "--help") == 0) { say("%s", usage); _exit(0); }
        else is_flag = false;
        if (is_flag) continue;
        if (strcmp(*a, "--seed") == 0) number(seed = value, *a);
        else if (strcmp(*a, "--threads") == 0) options.nthreads = (unsigned)number(value, *a);
        else if (strcmp(*a, "--ops") == 0) options.nops = number(value, *a);
        else if (strcmp(*a, "--verify-every") == 0) options.verify_every = number(value, *a);
        else if (strcmp(*a, "--plant") == 0 && value != NULL && plant_choose(value)) options.plant = value;
        else if (strcmp(*a, "--shrink-law") == 0 && value != NULL) options.shrink_law = value;
        else if (strcmp(*a, "--shrink-ops") == 0) options.shrink_nops = number(value, *a);
        else { say("property: cannot use %s\n%s", *a, usage); _exit(2); }
        a++;
    }
    if (options.nthreads < 1 || options.nthreads > NTHREADS_MAX) fail("--threads wants 1 to 64\n");
    if (plant_kind != PLANT_NONE && options.nthreads != 1) fail("--plant wants --threads 1\n");
    if (options.nops == 0) options.nops = (uint64_t)scaled(DEFAULT_NOPS);
    if (options.verify_every == 0)
        options.verify_every = options.nops / 8 < DEFAULT_VERIFY_EVERY ? options.nops / 8 + 1 : DEFAULT_VERIFY_EVERY;
    options.seed = seed_choose("property", seed);
}

int main(int argc, char **argv)
{
    (void)argc;
    options_read(argv);
    if (options.shrink_law != NULL) return shrink(options.seed, options.shrink_nops, options.shrink_law, replay);
    catch_crashes();
    run();
    return 0;
}
