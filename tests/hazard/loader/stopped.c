/* stopped.c: a debugger (this program, by ptrace) stops one thread at the mmap that grows the heap, where an allocator holds its
 * lock. Another that needs the lock must sleep, not burn its processor, and go on when the first does. */
#include "api.h"
#include "support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>

enum { NSTOPS = 6, STOP_MS = 300 };

static struct {
    atomic_int grower, user;    /* thread numbers */
    atomic_long nrounds;        /* of the user */
} *seen;

/* Takes more and more: each time or every few times the heap grows. */
static void *grow(void *unused)
{
    atomic_store(&seen->grower, (int)syscall(SYS_gettid));
    while (!atomic_load(&seen->user)) usleep(1000);
    for (int i = 0; i < 100000; i++) {
        char *p = malloc((size_t)3 << 20);
        if (!p) break;
        p[0] = 1;
        usleep(1000);
    }
    return unused;
}

static void child(void)
{
    pthread_t thread;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    watchdog(60);
    pthread_create(&thread, NULL, grow, NULL);
    atomic_store(&seen->user, (int)syscall(SYS_gettid));
    for (;;) {
        for (size_t size = 70000; size < 3000000; size += 100000) free(malloc(opaque(size)));
        atomic_fetch_add(&seen->nrounds, 1);
    }
}

/* Nanoseconds that the user has run. */
static uint64_t user_ran(pid_t process)
{
    char path[100], text[100] = "";
    snprintf(path, sizeof path, "/proc/%d/task/%d/schedstat", process, atomic_load(&seen->user));
    int fd = open(path, O_RDONLY);
    if (fd < 0 || read(fd, text, sizeof text - 1) <= 0) say("no schedstat: skipped\n"), _exit(77);
    close(fd);
    return strtoull(text, NULL, 10);
}

/* Lets the grower run to its next entry into mmap. */
static void run_to_mmap(pid_t grower)
{
    for (bool is_entry = false;;) {
        int status;
        struct user_regs_struct registers;
        require(ptrace(PTRACE_SYSCALL, grower, NULL, NULL) == 0, "ptrace: errno %d\n", errno);
        require(waitpid(grower, &status, __WALL) == grower && WIFSTOPPED(status), "the grower ended: status %x\n", status);
        if (WSTOPSIG(status) != (SIGTRAP | 0x80)) continue;
        is_entry = !is_entry;
        require(ptrace(PTRACE_GETREGS, grower, NULL, &registers) == 0, "ptrace: errno %d\n", errno);
        if (is_entry && registers.orig_rax == SYS_mmap) return;
    }
}

int main(void)
{
    int nasleep = 0;
    watchdog(60);
    seen = map_zeroed(4096);
    pid_t process = fork();
    if (process == 0) child();
    while (!atomic_load(&seen->user) || !atomic_load(&seen->grower)) usleep(1000);
    pid_t grower = atomic_load(&seen->grower);
    if (ptrace(PTRACE_SEIZE, grower, NULL, (void *)(long)PTRACE_O_TRACESYSGOOD) != 0) {
        say("ptrace: errno %d: skipped\n", errno);
        kill(process, SIGKILL);
        return 77;
    }
    for (int i = 0; i < NSTOPS; i++) {
        int status;
        require(ptrace(PTRACE_INTERRUPT, grower, NULL, NULL) == 0 && waitpid(grower, &status, __WALL) == grower,
                "ptrace: errno %d\n", errno);
        run_to_mmap(grower);
        usleep(20000); /* time to spin, as much as is allowed */
        long rounds = atomic_load(&seen->nrounds);
        uint64_t ran = user_ran(process);
        usleep(STOP_MS * 1000);
        rounds = atomic_load(&seen->nrounds) - rounds;
        ran = user_ran(process) - ran;
        say("stopped %d ms: the other ran %llu us and did %ld rounds\n", STOP_MS, (unsigned long long)ran / 1000, rounds);
        require(rounds > 0 || ran < STOP_MS * 1000000ull / 5, "it burns its processor and does nothing\n");
        nasleep += rounds == 0;
        rounds = atomic_load(&seen->nrounds);
        require(ptrace(PTRACE_CONT, grower, NULL, NULL) == 0, "ptrace: errno %d\n", errno);
        for (int wait = 0; atomic_load(&seen->nrounds) == rounds; wait++) {
            require(wait < 10000, "it does not go on\n");
            usleep(1000);
        }
    }
    kill(process, SIGKILL);
    say("%d of %d times it had to wait\n", nasleep, NSTOPS);
    require(nasleep > 0 || !api_is_mspace(), "it never had to wait for the lock: this shows nothing\n");
    return 0;
}
