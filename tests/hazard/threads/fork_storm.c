/*
 * Many threads that allocate may all start processes, by whatever call: no child and no thread ever hangs, and nothing piles up.
 *
 *     fork_storm fork|_Fork|clone|mixed|vfork|posix_spawn [threads = 16] [processes = 10000 at full size] [seed]
 * Every thread changes blocks, at most 4 MiB live in all, starts a process, changes blocks. Other threads are inside malloc at
 * every such moment, and may hold any lock. A child checks and frees what it inherited of its own thread, allocates, frees and
 * exits: in fork's every sixteenth by exit(), and every sixteenth of those that forked properly starts a thread. vfork's and
 * posix_spawn's execute this program again. _Fork and clone, the bare system call, run no atfork handler: the allocator must
 * notice by itself. From half of the processes on the parent may not grow by more than 8 MiB: twice what is live, for what lies
 * free in 16 heaps at one time and not at another.
 */
#include "../../stress/stress.h"

#include <pthread.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { NTHREADS_MAX = 256, LIVE_MAX = 4 << 20, GROWN_MAX = 8 << 20, CHILD_OPS = 200, CHILD_SECONDS = 60 };

extern char **environ;

static const char *kind;
static long nprocesses, nstarted;
static int nthreads, nplaces; /* nplaces: of one thread */
static size_t resident_half;
static uint64_t seed;

/* One of a thread's blocks anew; at most LIVE_MAX / nthreads bytes of them: sizes average 1 KiB, the largest are left out. */
static void change(void **own, uint64_t *random)
{
    size_t size = size_random(random) % 2048 + 16;
    void **place = &own[random_below(random, (uint32_t)nplaces)];
    stamped_free(*place);
    *place = stamped_new(size);
}

static void *child_thread(void *arg)
{
    void *own[64] = {NULL};
    uint64_t random = (uintptr_t)arg;
    for (int i = 0; i < CHILD_OPS; i++) {
        void **place = &own[random_below(&random, 64)];
        stamped_free(*place);
        *place = stamped_new(size_random(&random));
    }
    for (int i = 0; i < 64; i++) stamped_free(own[i]);
    return NULL;
}

/* Only what went through fork() may use more of libc than malloc. */
__attribute__((noreturn)) static void child_live(void **own, uint64_t random, long n, bool is_proper)
{
    pthread_t thread;
    watchdog(CHILD_SECONDS);
    for (int i = 0; i < nplaces; i += 2) {
        stamped_free(own[i]);
        own[i] = NULL;
    }
    for (int i = 0; i < CHILD_OPS; i++) change(own, &random);
    child_thread((void *)(uintptr_t)random);
    if (is_proper && n % 16 == 1) {
        require(pthread_create(&thread, NULL, child_thread, (void *)(uintptr_t)n) == 0, "no thread in a child\n");
        pthread_join(thread, NULL);
    }
    if (n % 64 == 3) require_sound("in a child");
    if (is_proper && n % 16 == 2) exit(0);
    _exit(0);
}

static char *const program_argv[] = {(char *)(uintptr_t)"fork_storm", (char *)(uintptr_t)"executed", NULL};

static pid_t start(const char *how, void **own, uint64_t random, long n)
{
    pid_t child = -1;
    if (how[0] == 'f') {
        if ((child = fork()) == 0) child_live(own, random, n, true);
    } else if (how[0] == '_') {
        if ((child = _Fork()) == 0) child_live(own, random, n, false);
    } else if (how[0] == 'c') {
        if ((child = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL)) == 0) child_live(own, random, n, false);
    } else if (how[0] == 'v') {
        if ((child = vfork()) == 0) {
            execv("/proc/self/exe", program_argv);
            _exit(9);
        }
    } else {
        require(posix_spawn(&child, "/proc/self/exe", NULL, NULL, program_argv, environ) == 0, "posix_spawn\n");
    }
    return child;
}

static void *live(void *arg)
{
    static const char *const MIX[] = {"fork", "clone", "_Fork", "fork", "clone", "_Fork", "vfork", "posix_spawn"};
    uint64_t random = seed + (uintptr_t)arg;
    void **own = api_calloc((size_t)nplaces, sizeof *own);
    require(own != NULL, "calloc refused\n");
    for (long n; (n = __atomic_fetch_add(&nstarted, 1, __ATOMIC_RELAXED)) < nprocesses;) {
        const char *how = kind[0] == 'm' ? MIX[random_below(&random, 8)] : kind;
        for (int i = 0; i < nplaces; i++) change(own, &random);
        child_wait(start(how, own, random, n), how, n);
        if (n == nprocesses / 2) resident_half = resident_nbytes();
    }
    for (int i = 0; i < nplaces; i++) stamped_free(own[i]);
    api_free(own);
    return NULL;
}

static int executed(void)
{
    watchdog(CHILD_SECONDS);
    child_thread((void *)(uintptr_t)getpid());
    return 0;
}

int main(int argc, char **argv)
{
    kind = argc > 1 ? argv[1] : "mixed";
    if (strcmp(kind, "executed") == 0) return executed();
    nthreads = argc > 2 ? atoi(argv[2]) : 16;
    nprocesses = argc > 3 ? atol(argv[3]) : scaled(10000);
    seed = seed_choose("fork_storm", argc > 4 ? argv[4] : NULL);
    require(nthreads > 0 && nthreads <= NTHREADS_MAX, "1 to %d threads\n", (int)NTHREADS_MAX);
    nplaces = LIVE_MAX / 2064 / nthreads; /* no block is larger than 2,063 bytes */
    watchdog(nprocesses <= 20000 ? 280 : 24 * 3600);
    pthread_t threads[NTHREADS_MAX];
    uint64_t begun = now_ns();
    for (uintptr_t i = 0; i < (uintptr_t)nthreads; i++)
        require(pthread_create(&threads[i], NULL, live, (void *)(i + 1)) == 0, "pthread_create\n");
    for (int i = 0; i < nthreads; i++) pthread_join(threads[i], NULL);
    say("%ld processes by %s from %d threads in %ld ms\n", nprocesses, kind, nthreads, (long)((now_ns() - begun) / 1000000));
    require_resident(resident_half, GROWN_MAX, "after the last process");
    require_sound("after the last process");
    return 0;
}
