/*
 * Whoever gets the id of a thread that is gone gets nothing else of it: not its heap's blocks, not the right to free them as its
 * own.
 *
 *     ids_reused recycled|wrapped [threads = 20000 at full size]
 * Eight threads at a time, of which each frees what its predecessor of the same place has left, and leaves blocks of its own.
 * libc hands out the same pthread_t, stack and thread-local storage again and again. wrapped: in a pid namespace of its own with
 * a pid_max of 340, of which the kernel, once it has come round, hands out those from 300: its thread ids come back, too. The
 * limit is the namespace's own from Linux 6.14 on.
 */
#include "../../stress/stress.h"

#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>

enum { BATCH = 8, NBLOCKS = 60, TID_MAX = 1 << 22, PID_MAX = 340, WRAPPED_MIN = 1000 };

static unsigned char *seen; /* thread ids */
static long nseen, nagain;  /* atomic */

struct place {
    uint64_t random;
    void *left[NBLOCKS];
};

static void *live(void *argument)
{
    struct place *place = argument;
    long id = syscall(SYS_gettid) % TID_MAX;
    __atomic_fetch_add(__atomic_exchange_n(&seen[id], 1, __ATOMIC_RELAXED) ? &nagain : &nseen, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < NBLOCKS; i++) {
        void *own = stamped_new(size_random(&place->random));
        stamped_free(place->left[i]);
        place->left[i] = own;
    }
    for (int i = 0; i < NBLOCKS; i += 2) {
        stamped_free(place->left[i]);
        place->left[i] = NULL;
    }
    return NULL;
}

static int run(long nthreads, bool is_wrapped)
{
    struct place *places = map_zeroed(BATCH * sizeof *places);
    pthread_t threads[BATCH], before[BATCH] = {0};
    long nrecycled = 0, nrun = 0;
    uint64_t random = seed_choose("ids_reused", NULL);
    watchdog(280);
    seen = map_zeroed(TID_MAX);
    for (; nrun < nthreads; nrun += BATCH) {
        for (int i = 0; i < BATCH; i++) {
            places[i].random = random_next(&random);
            require(pthread_create(&threads[i], NULL, live, &places[i]) == 0, "pthread_create\n");
        }
        for (int i = 0; i < BATCH; i++) {
            pthread_join(threads[i], NULL);
            for (int k = 0; k < BATCH; k++) nrecycled += threads[i] == before[k];
        }
        memcpy(before, threads, sizeof before);
    }
    say("%ld threads: pthread_t recycled %ld times, kernel's ids %ld times\n", nrun, nrecycled, nagain);
    require(nrecycled > nrun / 2, "pthread_t was not recycled\n");
    require(!is_wrapped || nseen <= PID_MAX, "%ld different ids\n", nseen);
    for (int i = 0; i < BATCH; i++)
        for (int k = 0; k < NBLOCKS; k++) stamped_free(places[i].left[k]);
    require_sound("at the end");
    return 0;
}

static int skip(const char *why)
{
    say("skipped: %s\n", why);
    return 77;
}

static bool is_pid_max_of_namespaces(void)
{
    struct utsname system;
    int major = 0, minor = 0;
    return uname(&system) == 0 && sscanf(system.release, "%d.%d", &major, &minor) == 2 && major * 1000 + minor >= 6014;
}

static int run_wrapped(long nthreads)
{
    int status;
    if (!is_pid_max_of_namespaces()) return skip("pid_max is the machine's before Linux 6.14");
    if (unshare(CLONE_NEWPID) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWPID) != 0) return skip("no pid namespace allowed");
    pid_t child = fork();
    require(child >= 0, "fork\n");
    if (child == 0) {
        int fd = open("/proc/sys/kernel/pid_max", O_WRONLY);
        if (fd < 0 || write(fd, "340\n", 4) != 4) _exit(skip("pid_max may not be written"));
        close(fd);
        _exit(run(nthreads > WRAPPED_MIN ? nthreads : WRAPPED_MIN, true));
    }
    require(waitpid(child, &status, 0) == child && WIFEXITED(status), "ended with status %#x\n", (unsigned)status);
    return WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
    long nthreads = argc > 2 ? atol(argv[2]) : scaled(20000);
    return argc > 1 && argv[1][0] == 'w' ? run_wrapped(nthreads) : run(nthreads, false);
}
