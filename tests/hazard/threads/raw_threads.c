/*
 * Two threads without libc's knowledge share one thread-local storage, as old language runtimes had it, and take turns: each
 * allocates, and frees what the other did.
 *
 *     raw_threads turns|together [rounds = 20000 at full size]
 * clone(CLONE_VM) without CLONE_SETTLS: to malloc they are one thread. together, without turns, is beyond any malloc that keeps
 * something in thread-local storage, glibc's as well; it is there to be run by hand.
 */
#include "../../stress/stress.h"

#include <sched.h>
#include <sys/wait.h>

enum { NPLACES = 200, STACK = 256 << 10 };

static void *places[NPLACES];
static int turn; /* whose; both spin */
static bool takes_turns;
static long nrounds;

static int live(void *arg)
{
    int me = (int)(uintptr_t)arg;
    uint64_t random = (uint64_t)me + 1;
    for (long n = 0; n < nrounds; n++) {
        while (takes_turns && __atomic_load_n(&turn, __ATOMIC_ACQUIRE) != me) sched_yield();
        for (int i = 0; i < 20; i++) {
            void *mine = stamped_new(size_random(&random));
            stamped_free(__atomic_exchange_n(&places[random_below(&random, NPLACES)], mine, __ATOMIC_ACQ_REL));
        }
        __atomic_store_n(&turn, !me, __ATOMIC_RELEASE);
    }
    if (me) _exit(0);
    return 0;
}

int main(int argc, char **argv)
{
    static char stack[STACK] __attribute__((aligned(64)));
    int status;
    takes_turns = argc < 2 || argv[1][0] != 't' || argv[1][1] == 'u';
    nrounds = argc > 2 ? atol(argv[2]) : scaled(20000);
    watchdog(280);
    pid_t other = clone(live, stack + STACK, CLONE_VM | CLONE_FS | CLONE_FILES | SIGCHLD, (void *)1);
    require(other > 0, "clone\n");
    live(NULL);
    require(waitpid(other, &status, 0) == other, "waitpid\n");
    require(status == 0, "the other ended with status %#x\n", (unsigned)status);
    for (int i = 0; i < NPLACES; i++) stamped_free(places[i]);
    require_sound("at the end");
    return 0;
}
