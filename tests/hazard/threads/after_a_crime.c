/* after_a_crime.c: what comes after the line and SIGABRT. Who has a handler that jumps out of it is told of the next crime, too,
 * as under glibc, whichever thread commits it; so is the parent of a vfork child that died of one. A handler that commits the
 * same crime itself is not called again: the process dies of the signal. */
#include "api.h"
#include "support.h"

#include <pthread.h>
#include <setjmp.h>
#include <sys/wait.h>

enum { NCRIMES = 100 };

static void free_twice(void)
{
    void *p = api_malloc(2000);
    api_free(p);
    api_free(p);
    fail("a block was freed twice\n");
}

static sigjmp_buf back;
static void jump(int signal) { siglongjmp(back, signal); }

static void jumps(void)
{
    static volatile int ncaught;
    signal(SIGABRT, jump);
    while (ncaught < NCRIMES)
        if (sigsetjmp(back, true) == 0) free_twice();
        else ncaught++;
    _exit(0);
}

static void vforks(void)
{
    int status;
    pid_t child = vfork();
    if (child == 0) free_twice();
    require(waitpid(child, &status, 0) == child && WIFSIGNALED(status), "the child lives\n");
    free_twice();
}

static void *commit_one(void *nothing)
{
    free_twice();
    return nothing;
}

/* It waits for the signal of the first, some seconds. */
static void another_thread(void)
{
    pthread_t thread;
    signal(SIGABRT, jump);
    if (sigsetjmp(back, true) == 0) free_twice();
    signal(SIGABRT, SIG_DFL);
    pthread_create(&thread, NULL, commit_one, NULL);
    pthread_join(thread, NULL);
}

static void commit_it_again(int signal)
{
    (void)signal;
    free_twice();
}

static void again(void)
{
    signal(SIGABRT, commit_it_again);
    free_twice();
}

static void again_undeferred(void)
{
    struct sigaction action = {.sa_handler = commit_it_again, .sa_flags = SA_NODEFER};
    sigaction(SIGABRT, &action, NULL);
    free_twice();
}

static void commit_it_unblocked(int number)
{
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, number);
    sigprocmask(SIG_UNBLOCK, &one, NULL);
    free_twice();
}

static void again_unblocked(void)
{
    signal(SIGABRT, commit_it_unblocked);
    free_twice();
}

static void hang(int signal)
{
    (void)signal;
    for (;;) pause();
}

/* As one that waits for a reporter of crashes. */
static void hangs(void)
{
    pthread_t thread;
    signal(SIGABRT, hang);
    for (int i = 0; i < 2; i++) pthread_create(&thread, NULL, commit_one, NULL);
    free_twice();
}

/* A child that does this says so many lines and ends with this wait status. */
static void expect(const char *what, void (*act)(void), int nlines, int wanted)
{
    static char said[NCRIMES * 100];
    int ends[2], status, n = 0;
    size_t length = 0;
    require(pipe(ends) == 0, "pipe\n");
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        act();
    }
    close(ends[1]);
    for (ssize_t got; (got = read(ends[0], said + length, sizeof said - length)) > 0;) length += (size_t)got;
    close(ends[0]);
    require(waitpid(child, &status, 0) == child, "waitpid\n");
    for (size_t i = 0; i < length; i++) n += said[i] == '\n';
    require(n == nlines && (status & ~0x80) == wanted, "%s: %d lines, not %d, and status %#x, not %#x\n", what, n, nlines,
            (unsigned)status, (unsigned)wanted);
}

int main(void)
{
    watchdog(60);
    require(api_is_mspace(), "libmspace is not loaded\n");
    expect("after a jump out of the handler", jumps, NCRIMES, 0);
    expect("another thread's", another_thread, 2, SIGABRT);
    expect("its parent's after a vfork child's", vforks, 2, SIGABRT);
    expect("one in the handler", again, 2, SIGABRT);
    expect("in one that may be interrupted", again_undeferred, 2, SIGABRT);
    expect("in one that lets itself be interrupted", again_unblocked, 9, SIGABRT);
    expect("others' while a handler hangs", hangs, 3, SIGABRT);
    return 0;
}
