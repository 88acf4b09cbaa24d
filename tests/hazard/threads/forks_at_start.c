/*
 * forks_at_start.c: a shared object, to be preloaded beside the allocator, whose constructor forks while a thread of its own
 * allocates for the first time. What it preloads for has not begun. The child allocates, starts a thread and goes on as the
 * program; the parent waits for it and ends as it did.
 */
#include "../../stress/stress.h"

#include <pthread.h>
#include <sys/wait.h>

static void *allocate(void *arg)
{
    for (size_t i = 0; i < 200; i++) stamped_free(stamped_new(16 << i % 14));
    return arg;
}

__attribute__((constructor)) static void begin(void)
{
    pthread_t thread, another;
    int status;
    watchdog(30);
    require(pthread_create(&thread, NULL, allocate, NULL) == 0, "pthread_create\n");
    pid_t child = fork();
    require(child >= 0, "fork\n");
    if (child != 0) {
        allocate(NULL);
        pthread_join(thread, NULL);
        require(waitpid(child, &status, 0) == child, "waitpid\n");
        require(WIFEXITED(status), "the child ended with status %#x\n", (unsigned)status);
        _exit(WEXITSTATUS(status));
    }
    watchdog(30);
    allocate(NULL);
    require(pthread_create(&another, NULL, allocate, NULL) == 0, "pthread_create in the child\n");
    pthread_join(another, NULL);
}
