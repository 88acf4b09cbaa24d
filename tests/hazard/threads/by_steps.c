/*
 * by_steps.c: what may come between any two instructions of the malloc or the free of a large block. The processor's trap flag
 * stops after each; at the n-th something happens, for every n; where the call is a long one, for its first and its last.
 *
 *   by_steps handler   in a signal handler: the block that malloc is about to return is taken, cut to half, and freed, and another is freed
 *   by_steps free      the same in the middle of free
 *   by_steps child     in a child that no atfork handler has heard of: its second thread comes to the allocator for the first time
 */
#include "api.h"
#include "support.h"

#if defined(__x86_64__)

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>

enum { TRAP_FLAG = 0x100, SIZE = 100000, NOTHERS = 100, PATIENCE = 200, NEAR_AN_END = 90 };

static void (*act)(void);
static volatile long step, last = -1;
static long *nsteps; /* of the call; told by the child */

static void stop_stepping(ucontext_t *at) { at->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG; }

static void on_step(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)info;
    if (++step != last && last >= 0) return;
    stop_stepping(context);
    if (last >= 0) act();
}

/* From here; the call that is looked at must follow, and then end_steps. */
#define BEGIN_STEPS(n) (step = 0, last = (n), ({ __asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq" ::: "memory", "cc"); }))

static void end_steps(void)
{
    if (step > *nsteps) *nsteps = step;
    last = -1; /* the next step is the last */
}

/* A block of SIZE and one of `size`. */
static bool overlap(const char *p, const char *q, size_t size) { return p < q + size && q < p + SIZE; }

static char *held; /* for the handler to free */

static void take_cut_and_free(void)
{
    api_free(held);
    held = NULL;
    char *p = api_realloc(api_malloc(SIZE), SIZE / 2);
    memset(p, 0, SIZE / 2);
    api_free(p);
}

/* All blocks that there may be, of SIZE and of half of it, lie apart. */
static void in_a_handler_of(bool is_free, long n)
{
    char *others[4], *p = api_malloc(SIZE), *first = api_malloc(SIZE), *second = api_malloc(SIZE), *whole[4];
    held = api_malloc(SIZE);
    api_free(first);
    if (!is_free) api_free(second), api_free(p);
    BEGIN_STEPS(n);
    if (is_free) api_free(second);
    else p = api_malloc(SIZE);
    end_steps();
    for (int i = 0; i < 4; i++) others[i] = api_malloc(SIZE / 2), whole[i] = api_malloc(SIZE);
    for (int i = 0; i < 4; i++) {
        require(!overlap(p, others[i], SIZE / 2) && !overlap(p, whole[i], SIZE), "step %ld: two blocks in one place\n", n);
        for (int k = 0; k < 4; k++)
            require(!overlap(whole[i], others[k], SIZE / 2) && (k == i || !overlap(whole[i], whole[k], SIZE)),
                    "step %ld: two blocks in one place\n", n);
    }
    for (int i = 0; i < 4; i++) api_free(others[i]), api_free(whole[i]);
    api_free(p);
    api_free(held);
    require(api_verify() == 0, "step %ld: broken laws\n", n);
}

static void in_a_handler(long n) { in_a_handler_of(false, n); }
static void in_a_handler_of_free(long n) { in_a_handler_of(true, n); }

static char *volatile others[NOTHERS];
static volatile int nothers, want;

/* One at the step, the others when all is done. */
static void *take_others(void *nothing)
{
    while (nothers < NOTHERS) {
        while (nothers >= want) sched_yield();
        others[nothers] = api_malloc(SIZE);
        nothers = nothers + 1;
    }
    return nothing;
}

/* Not for ever: where the first thread has been stopped the second may have to wait for it. */
static void let_one_be_taken(void)
{
    want = 1;
    for (int i = 0; i < PATIENCE && !nothers; i++) sched_yield();
}

static void be_child(char *block, long n)
{
    pthread_t second;
    require(pthread_create(&second, NULL, take_others, NULL) == 0, "no second thread\n");
    BEGIN_STEPS(n);
    api_free(block);
    end_steps();
    want = NOTHERS;
    char *p = api_malloc(SIZE);
    pthread_join(second, NULL);
    for (int i = 0; i < NOTHERS; i++) require(!overlap(p, others[i], SIZE), "step %ld: two threads have the same block\n", n);
    require(api_verify() == 0, "step %ld: broken laws\n", n);
    _exit(0);
}

static void *be_there(void *nothing)
{
    api_free(api_malloc(100));
    pause();
    return nothing;
}

static void in_a_child(long n)
{
    static bool is_set_up;
    pthread_t other;
    int status;
    /* Another's heap for the child to repair; and what pthread_create wants at hand, so that the child's first thread has no need
     * of a slow rung. */
    for (size_t i = 0; i < 640 && !is_set_up; i++) api_free(api_malloc(16 + 16 * i));
    if (!is_set_up) require(pthread_create(&other, NULL, be_there, NULL) == 0, "no other thread\n");
    is_set_up = true;
    char *block = api_malloc(SIZE);
    pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
    if (child == 0) be_child(block, n);
    require(child > 0 && waitpid(child, &status, 0) == child && status == 0, "step %ld: the child ended with status %#x\n", n,
            (unsigned)status);
    api_free(block);
}

int main(int argc, char **argv)
{
    bool is_child = argc > 1 && strcmp(argv[1], "child") == 0;
    struct sigaction action = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO | SA_NODEFER};
    void (*look)(long) = is_child ? in_a_child : argc > 1 && strcmp(argv[1], "free") == 0 ? in_a_handler_of_free : in_a_handler;
    nsteps = mmap(NULL, sizeof *nsteps, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    require(nsteps != MAP_FAILED, "mmap\n");
    watchdog(280);
    act = is_child ? let_one_be_taken : take_cut_and_free;
    sigaction(SIGTRAP, &action, NULL);
    look(LONG_MAX); /* counts them */
    require(*nsteps > 0, "no step at all\n");
    for (long n = 1; n <= *nsteps; n++)
        if (n <= NEAR_AN_END || n > *nsteps - NEAR_AN_END) look(n);
    say("%ld steps\n", *nsteps);
    return 0;
}

#else
int main(void) { return 77; }
#endif
