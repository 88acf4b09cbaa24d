/* two_crimes.c: two threads that find a crime at the same time: the line of one of them is told, and the process dies of
 * SIGABRT. */
#include "api.h"
#include "support.h"

#include <pthread.h>
#include <sys/wait.h>

enum { NCHILDREN = 1000 };

static pthread_barrier_t both;

static void *free_twice(void *nothing)
{
    void *p = api_malloc(2000);
    pthread_barrier_wait(&both);
    api_free(p);
    api_free(p);
    return nothing;
}

static void be_bad(int errors)
{
    pthread_t threads[2];
    dup2(errors, STDERR_FILENO);
    pthread_barrier_init(&both, NULL, 2);
    for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, free_twice, NULL);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    _exit(0);
}

int main(void)
{
    watchdog(280);
    require(api_is_mspace(), "libmspace is not loaded\n");
    for (long n = scaled(NCHILDREN); n--;) {
        int ends[2], status;
        char line[200] = "";
        require(pipe(ends) == 0, "pipe\n");
        pid_t child = fork();
        if (child == 0) be_bad(ends[1]);
        close(ends[1]);
        ssize_t length = read(ends[0], line, sizeof line - 1);
        close(ends[0]);
        require(waitpid(child, &status, 0) == child, "waitpid\n");
        require(length > 0 && strstr(line, "double free"), "a process died without a word, status %#x\n", (unsigned)status);
        require(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "status %#x, not SIGABRT\n", (unsigned)status);
    }
    return 0;
}
