/*
 * However a process ends while eight threads allocate, it ends, and as it was told to.
 *
 *     ends [processes = 600 at full size] [seed]
 * By exit (with exit handlers, a destructor, a thread_local-like one and a stream's buffer, all of which allocate and free),
 * quick_exit with its own handlers, _exit, abort, SIGTERM from itself, return from main, and pthread_exit of the main thread with
 * the others told to stop.
 */
#include "../../stress/stress.h"

#include <pthread.h>
#include <sys/wait.h>

enum { NTHREADS = 8, STATUS = 42, NWAYS = 7, SECONDS = 60 };

extern int __cxa_thread_atexit_impl(void (*destroy)(void *), void *object, void *dso);
extern void *__dso_handle;
static bool is_over;

static void *allocate_on(void *arg)
{
    stamped_churn_until(&is_over, (uintptr_t)arg);
    return NULL;
}

static void *kept;

static void work(void)
{
    uint64_t random = 7;
    for (int i = 0; i < 100; i++) stamped_free(stamped_new(size_random(&random)));
    stamped_free(kept);
    kept = stamped_new(5000);
}

static void destroy(void *block)
{
    work();
    stamped_free(block);
}

__attribute__((destructor)) static void at_unload(void) { work(); }

static int end_by(long way, uint64_t random)
{
    pthread_t thread;
    watchdog(SECONDS);
    for (uintptr_t i = 0; i < NTHREADS; i++)
        require(pthread_create(&thread, NULL, allocate_on, (void *)(i + random)) == 0, "pthread_create\n");
    /* handlers above 32 are allocated */
    for (int i = 0; i < 40; i++) require(atexit(work) == 0 && at_quick_exit(work) == 0, "atexit\n");
    __cxa_thread_atexit_impl(destroy, stamped_new(100), &__dso_handle);
    FILE *file = fopen("/dev/null", "w");
    require(file != NULL && fputs("not flushed yet", file) >= 0, "/dev/null\n");
    usleep(random_below(&random, 3000));
    switch (way) {
    case 0: exit(STATUS);
    case 1: quick_exit(STATUS);
    case 2: _exit(STATUS);
    case 3: abort();
    case 4: kill(getpid(), SIGTERM); return 1;
    case 5: __atomic_store_n(&is_over, true, __ATOMIC_RELAXED); pthread_exit(NULL); /* status 0, of the last thread */
    default: return STATUS;
    }
}

int main(int argc, char **argv)
{
    static const char *const WAYS[NWAYS] = {"exit", "quick_exit", "_exit", "abort", "SIGTERM", "pthread_exit", "return"};
    long nprocesses = argc > 1 ? atol(argv[1]) : scaled(600);
    uint64_t random = seed_choose("ends", argc > 2 ? argv[2] : NULL);
    watchdog(280);
    for (long n = 0; n < nprocesses; n++) {
        uint64_t childs = random_next(&random);
        int status, way = (int)(n % NWAYS), expected = way == 5 ? 0 : STATUS;
        int signal_expected = way == 3 ? SIGABRT : way == 4 ? SIGTERM : 0;
        pid_t child = fork();
        require(child >= 0, "fork\n");
        if (child == 0) return end_by(way, childs);
        require(waitpid(child, &status, 0) == child, "waitpid\n");
        if (WIFSIGNALED(status))
            require(WTERMSIG(status) == signal_expected, "%s died of signal %d\n", WAYS[way], WTERMSIG(status));
        else
            require(!signal_expected && WEXITSTATUS(status) == expected, "%s ended with status %d\n", WAYS[way],
                    WEXITSTATUS(status));
    }
    kept = NULL;
    return 0;
}
