/*
 * A vfork child, which runs on its parent's memory, is not taken for a new process; what it and posix_spawn start runs.
 *
 * While two threads allocate, the main thread 500 times calls vfork; the child frees and allocates a block (its own parent's
 * heap: POSIX forbids it, shells and JVMs have done it) and executes this program again, which allocates and exits. Every other
 * time posix_spawn.
 */
#include "stress.h"

#include <pthread.h>
#include <spawn.h>
#include <sys/wait.h>

enum { NTHREADS = 2, NSTARTS = 500 };

extern char **environ;
static bool is_over;

static void *allocate_on(void *arg)
{
    stamped_churn_until(&is_over, (uintptr_t)arg);
    return NULL;
}

static char *const program_argv[] = {(char *)(uintptr_t)"vfork_and_exec", (char *)(uintptr_t)"child", NULL};

static pid_t start_by_vfork(void **block)
{
    void *volatile swapped = *block;
    pid_t child = vfork();
    if (child == 0) {
        stamped_free(swapped);
        *block = stamped_new(777); /* the parent shall find and free it */
        execv("/proc/self/exe", program_argv);
        _exit(9);
    }
    return child;
}

static pid_t start_by_spawn(void)
{
    pid_t child;
    return posix_spawn(&child, "/proc/self/exe", NULL, NULL, program_argv, environ) == 0 ? child : -1;
}

static int child_live(void)
{
    uint64_t random = 1;
    watchdog(30);
    for (int i = 0; i < 100; i++) stamped_free(stamped_new(size_random(&random)));
    require_sound("in an executed program");
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "child") == 0) return child_live();
    pthread_t threads[NTHREADS];
    long nstarts = scaled(NSTARTS);
    watchdog(280);
    for (uintptr_t i = 0; i < NTHREADS; i++)
        require(pthread_create(&threads[i], NULL, allocate_on, (void *)(i + 1)) == 0, "pthread_create\n");
    for (long n = 0; n < nstarts; n++) {
        void *block = stamped_new(333);
        int status;
        pid_t child = n % 2 == 0 ? start_by_vfork(&block) : start_by_spawn();
        require(child > 0, "start %ld failed\n", n);
        while (waitpid(child, &status, 0) < 0) require(errno == EINTR, "waitpid\n");
        require(WIFEXITED(status) && WEXITSTATUS(status) == 0, "start %ld ended with status %#x\n", n, (unsigned)status);
        stamped_free(block);
    }
    __atomic_store_n(&is_over, true, __ATOMIC_RELAXED);
    for (int i = 0; i < NTHREADS; i++) pthread_join(threads[i], NULL);
    require_sound("at the end");
    return 0;
}
