/*
 * What becomes of a program whose signal handler uses malloc though it has interrupted malloc: POSIX forbids it, programs do it.
 *
 *     interrupted allocate|keep|free|realloc|longjmp|exit [instants = 1400 at full size] [seed]
 * An instant is an instruction of a call of malloc or free at which the handler comes, exactly: the call is single-stepped up to
 * there by the trap flag. Each instant is a process of its own, with another thread that looks on: it plays the calls of a list,
 * is interrupted in one of them, plays on for a while, checks every block and asks the other thread to allocate, too. The handler
 * allocates and frees what it allocated (allocate), keeps it (keep), frees blocks of the program's (free), grows one (realloc),
 * leaves by longjmp, or ends its thread as an asynchronous cancellation does (exit).
 * Prints how many instants of the list's all, about, end in a hang, a death or damage: the sum over the calls of harmful share *
 * instructions. Judges nothing: not_worse.sh does.
 */
#include "../../stress/stress.h"

#include <pthread.h>
#include <setjmp.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <ucontext.h>

enum { NOPS = 48, NOWN = 400, TRAP_FLAG = 0x100, NPARALLEL = 32, ASLEEP = 10, CPU_SECONDS = 3 };
enum fate { SOUND, HANGS, DIES, DAMAGED };

#if defined(__x86_64__)

static const size_t SIZES[] = {24, 24, 100, 500, 2000, 5000, 30000, 70000, 300000};
static const char *mode;
static void *own[NOWN];
static void *handlers[64]; /* the handler's: kept, or to be freed by it */
static long nsteps, stop_at; /* instructions of the call that is stepped, so far and until the handler's turn */
static bool is_stepping, has_come;
static sigjmp_buf way_out;

static void change(void **place, size_t size)
{
    stamped_free(*place);
    *place = NULL;
    *place = stamped_new(size);
}

/* Call i of the list: some take one block, some give one, some a run of them so that slow roads are gone. */
static void op_prepare(int i, uint64_t *random)
{
    for (int k = 0; k < 30; k++) change(&own[random_below(random, NOWN)], SIZES[random_below(random, 9)]);
    (void)i;
}

static void op_play(int i)
{
    size_t size = SIZES[i % 9];
    void **place = &own[i * 7 % NOWN];
    if (i % 4 == 3) {
        void *p = *place;
        *place = NULL;
        api_free(p);
    } else {
        unsigned char *p = api_malloc(size);
        if (p != NULL) {
            is_stepping = false; /* from the next trap on */
            stamped_free(*place);
            memcpy(p, &size, sizeof size);
            memset(p + sizeof size, stamp_byte(p, size), (size <= STAMP_WHOLE ? size : STAMP_END) - sizeof size);
            if (size > STAMP_WHOLE) memset(p + size - STAMP_END, stamp_byte(p, size), STAMP_END);
            *place = p;
        }
    }
}

static void handler_work(void)
{
    static void *some[6];
    static const size_t sizes[6] = {24, 24, 100, 500, 5000, 70000};
    switch (mode[0]) {
    case 'a':
        for (int k = 0; k < 6; k++) some[k] = stamped_new(sizes[k]);
        for (int k = 0; k < 6; k++) stamped_free(some[k]);
        break;
    case 'k':
        for (int k = 0; k < 6; k++) handlers[k + 32] = stamped_new(sizes[k]);
        break;
    case 'f':
        for (int k = 0; k < 32; k++) {
            stamped_free(handlers[k]);
            handlers[k] = NULL;
        }
        break;
    case 'r': handlers[40] = api_realloc(api_realloc(handlers[40], 3000), 50000); break;
    case 'l': siglongjmp(way_out, 1);
    default: pthread_exit(NULL);
    }
}

static void on_trap(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)info;
    if (!is_stepping || nsteps++ == stop_at) {
        ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
        if (!is_stepping) return;
        is_stepping = false;
        has_come = true;
        handler_work();
    }
}

static void set_trap_flag(void)
{
    __asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq" ::: "cc", "memory");
}

static void clear_trap_flag(void)
{
    __asm__ volatile("pushfq; andq $~0x100, (%%rsp); popfq" ::: "cc", "memory");
}

static struct {
    int op;
    uint64_t random;
} plan;

static void play_on(uint64_t random, int n)
{
    for (int i = 0; i < n; i++)
        change(&own[random_below(&random, NOWN)], SIZES[random_below(&random, 9)] + random_below(&random, 8) * 8);
}

/* A heap that no longer grows. The same for all instants, so that a call has always the same instructions: what is drawn next. */
static uint64_t set_up(void)
{
    uint64_t random = 1;
    for (int i = 0; i < 32; i++) handlers[i] = stamped_new(SIZES[i % 9]);
    for (int i = 0; i < 4 * NOWN; i++) change(&own[random_below(&random, NOWN)], SIZES[random_below(&random, 9)]);
    return random;
}

static void *interrupted_thread(void *arg)
{
    uint64_t random = set_up();
    for (int i = 0; i <= plan.op; i++) {
        op_prepare(i, &random);
        if (i < plan.op) op_play(i);
    }
    is_stepping = true;
    if (sigsetjmp(way_out, 1) == 0) {
        set_trap_flag();
        op_play(plan.op);
        clear_trap_flag();
    }
    is_stepping = false;
    play_on(plan.random, 3000);
    return arg;
}

/* Afterwards: all the blocks that the thread and the handler have are whole, and everybody can go on. */
__attribute__((noreturn)) static void instant_live(void)
{
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | SA_NODEFER};
    pthread_t thread;
    setrlimit(RLIMIT_CPU, &(struct rlimit){CPU_SECONDS, CPU_SECONDS}); /* one that runs in a circle dies of it */
    sigaction(SIGTRAP, &action, NULL);
    require(pthread_create(&thread, NULL, interrupted_thread, NULL) == 0, "pthread_create\n");
    pthread_join(thread, NULL);
    play_on(plan.random + 1, 3000);
    for (int i = 0; i < 64; i++)
        if (i != 40 && handlers[i] != NULL) stamped_check(handlers[i]);
    for (int i = 0; i < NOWN; i++) stamped_free(own[i]);
    _exit(stop_at >= 0 && !has_come ? 9 : 0);
}

static int out;

static long lengths[NOPS]; /* instructions of each call */

static void *measured_thread(void *arg)
{
    uint64_t random = set_up();
    for (int i = 0; i < NOPS; i++) {
        op_prepare(i, &random);
        nsteps = 0;
        is_stepping = true;
        set_trap_flag();
        op_play(i);
        clear_trap_flag();
        is_stepping = false;
        lengths[i] = nsteps;
    }
    return arg;
}

/* Told through a pipe by a process that is not interrupted. */
static void ops_measure(void)
{
    int ends[2];
    require(pipe(ends) == 0, "pipe\n");
    pid_t child = fork();
    if (child == 0) {
        pthread_t thread;
        struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | SA_NODEFER};
        sigaction(SIGTRAP, &action, NULL);
        stop_at = -1;
        require(pthread_create(&thread, NULL, measured_thread, NULL) == 0, "pthread_create\n");
        pthread_join(thread, NULL);
        _exit(write(ends[1], lengths, sizeof lengths) == sizeof lengths ? 0 : 1);
    }
    close(ends[1]);
    require(read(ends[0], lengths, sizeof lengths) == sizeof lengths, "the calls cannot be measured\n");
    close(ends[0]);
    require(waitpid(child, NULL, 0) == child, "waitpid\n");
}

static pid_t instant_start(int op, long at, uint64_t random)
{
    pid_t child = fork();
    require(child >= 0, "fork\n");
    if (child != 0) return child;
    dup2(out, STDOUT_FILENO); /* what it reports of itself, and what the allocator says, is a harm to be counted */
    dup2(out, STDERR_FILENO);
    plan.op = op;
    plan.random = random;
    stop_at = at;
    instant_live();
}

static enum fate fate_of(int status)
{
    if (WIFSIGNALED(status)) return WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGXCPU ? HANGS : DIES;
    return WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 9 ? SOUND : DAMAGED;
}

/* The state of a process's main thread and of its next one, which only ever wait for one another: whether both sleep. */
static bool is_asleep(pid_t process)
{
    char path[64], text[256];
    bool is_sleeping = true;
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "/proc/%d/task/%d/stat", process, process + i);
        int fd = open(path, O_RDONLY);
        ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
        if (fd >= 0) close(fd);
        if (n <= 0) continue; /* the second is gone, or has another number: then the first says enough */
        text[n] = '\0';
        const char *end = strrchr(text, ')');
        is_sleeping = is_sleeping && end != NULL && end[2] == 'S';
    }
    return is_sleeping;
}

static struct {
    pid_t process;
    int nasleep; /* so many looks in a row */
    double weight;
} running[NPARALLEL];
static double harmed[4];
static long nharmed[4];

/* Whether nothing runs in a place, any more. */
static bool is_free(int i)
{
    int status;
    if (running[i].process == 0) return true;
    pid_t done = waitpid(running[i].process, &status, WNOHANG);
    require(done >= 0, "waitpid\n");
    if (done == 0) {
        running[i].nasleep = is_asleep(running[i].process) ? running[i].nasleep + 1 : 0;
        if (running[i].nasleep == ASLEEP) kill(running[i].process, SIGKILL);
        return false;
    }
    harmed[fate_of(status)] += running[i].weight;
    nharmed[fate_of(status)]++;
    running[i].process = 0;
    running[i].nasleep = 0;
    return true;
}

/* Looks after all that run until there are `n` free places; returns one. */
static int places_wait(int n)
{
    for (;;) {
        int nfree = 0, place = 0;
        for (int i = 0; i < NPARALLEL; i++)
            if (is_free(i)) nfree++, place = i;
        if (nfree >= n) return place;
        usleep(20000);
    }
}

int main(int argc, char **argv)
{
    mode = argc > 1 ? argv[1] : "allocate";
    long per_op = (argc > 2 ? atol(argv[2]) : scaled(1400)) / NOPS + 1, total = 0;
    uint64_t random = seed_choose("interrupted", argc > 3 ? argv[3] : NULL);
    watchdog(280);
    out = open(getenv("INTERRUPTED_LOUD") ? "/dev/stderr" : "/dev/null", O_WRONLY);
    ops_measure();
    for (int op = 0; op < NOPS; op++) {
        long n = lengths[op];
        total += n;
        for (long k = 0; k < per_op; k++) {
            int i = places_wait(1);
            running[i].weight = (double)n / (double)per_op;
            running[i].process = instant_start(op, random_below(&random, (uint32_t)n), random_next(&random));
        }
    }
    places_wait(NPARALLEL);
    say("%s: of %ld instants of %d calls %.0f end in a hang, %.0f in a death, %.0f in damage (%ld + %ld + %ld of %ld tried)\n",
        mode, total, NOPS, harmed[HANGS], harmed[DIES], harmed[DAMAGED], nharmed[HANGS], nharmed[DIES], nharmed[DAMAGED],
        per_op * NOPS);
    say("harmful: %.0f\n", harmed[HANGS] + harmed[DIES] + harmed[DAMAGED]);
    return 0;
}

#else

int main(void)
{
    say("skipped: steps by the trap flag of x86-64\n");
    return 77;
}

#endif
