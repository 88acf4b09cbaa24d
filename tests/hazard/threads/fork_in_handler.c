/* A program of one thread forks in a signal handler that interrupts malloc or free: parent and child both go on where they
 * were. */
#include "api.h"
#include "support.h"

#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>

enum { NFORKS = 3000, NBLOCKS = 64, LEFT = 300 };

static volatile sig_atomic_t is_child;
static long nforks;

static void on_alarm(int sig)
{
    (void)sig;
    int status, saved = errno;
    pid_t child = is_child ? -1 : fork();
    if (child == 0) is_child = 1;
    if (child > 0) {
        while (waitpid(child, &status, 0) < 0) {}
        require(status == 0, "child %ld ended with status %#x\n", nforks, (unsigned)status);
        nforks++;
    }
    errno = saved;
}

static void set_alarm(unsigned microseconds)
{
    struct itimerval soon = {{0, 0}, {0, (suseconds_t)microseconds}};
    setitimer(ITIMER_REAL, &soon, NULL);
}

int main(void)
{
    static void *blocks[NBLOCKS];
    uint64_t random = 1;
    int left = LEFT;
    watchdog(280);
    api_free(api_malloc(1)); /* not inside the very first */
    signal(SIGALRM, on_alarm);
    for (unsigned n = 0; is_child || nforks < scaled(NFORKS); n++) {
        if (is_child && left-- == 0) _exit(0);
        if (!is_child && n % 40 == 0) set_alarm(1 + random_below(&random, 60));
        void **place = &blocks[random_below(&random, NBLOCKS)];
        api_free(*place);
        *place = api_malloc(random_below(&random, 4) ? 40000 + random_below(&random, 400000) : random_below(&random, 9000));
    }
    return 0;
}
