/*
 * A process may exit while its other threads allocate: it ends, with its own status, every time.
 *
 * 500 processes (this program, executed again), each with four allocating threads and an exit handler that allocates and frees;
 * after 0 to 3 ms main returns or calls exit. The threads are still inside malloc when destructors run and mappings go.
 */
#include "stress.h"

#include <pthread.h>
#include <spawn.h>
#include <sys/wait.h>

enum { NTHREADS = 4, NEXITS = 500, STATUS = 42 };

extern char **environ;

static const bool is_over; /* never: the process ends first */

static void *allocate_on(void *arg)
{
    stamped_churn_until(&is_over, (uintptr_t)arg);
    return NULL;
}

static void at_exit(void)
{
    uint64_t random = 7;
    for (int i = 0; i < 100; i++) stamped_free(stamped_new(size_random(&random)));
}

__attribute__((destructor)) static void at_unload(void) { at_exit(); }

static int child_live(const char *delay_text)
{
    unsigned delay_us = (unsigned)strtoul(delay_text, NULL, 10);
    pthread_t thread;
    watchdog(30);
    atexit(at_exit);
    for (uintptr_t i = 0; i < NTHREADS; i++)
        require(pthread_create(&thread, NULL, allocate_on, (void *)(i + 1)) == 0, "pthread_create\n");
    usleep(delay_us);
    if (delay_us % 2 == 0) exit(STATUS);
    return STATUS;
}

int main(int argc, char **argv)
{
    if (argc > 2 && strcmp(argv[1], "child") == 0) return child_live(argv[2]);
    uint64_t random = seed_choose("exit_while_allocating", argc > 1 ? argv[1] : NULL);
    long nexits = scaled(NEXITS);
    watchdog(280);
    for (long n = 0; n < nexits; n++) {
        char name[] = "exit_while_allocating", word[] = "child", delay[16];
        char *child_argv[] = {name, word, delay, NULL};
        int status;
        pid_t child;
        snprintf(delay, sizeof delay, "%u", random_below(&random, 3000));
        require(posix_spawn(&child, "/proc/self/exe", NULL, NULL, child_argv, environ) == 0, "posix_spawn\n");
        while (waitpid(child, &status, 0) < 0) require(errno == EINTR, "waitpid\n");
        require(WIFEXITED(status), "process %ld (delay %s us) died of signal %d\n", n, delay, WTERMSIG(status));
        require(WEXITSTATUS(status) == STATUS, "process %ld (delay %s us) ended with status %d\n", n, delay, WEXITSTATUS(status));
    }
    return 0;
}
