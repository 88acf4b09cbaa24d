/*
 * A fork beside the first malloc of the process: the child can allocate, and so can the parent.
 *
 *     first_malloc [processes = 2000 at full size]
 * Each time this program is executed anew. In the new process nobody has allocated: a second thread is made without libc's help,
 * for pthread_create allocates, on a copy of the first one's control block. It calls malloc while the main thread forks, by fork
 * and by the bare system call in turn, after 0 to 20 us. Child and parent then allocate and check.
 */
#include "../../stress/stress.h"

#include <asm/prctl.h>
#include <sched.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#if defined(__x86_64__)

enum { BELOW = 16 << 10, ABOVE = 4 << 10, STACK = 64 << 10, CHILD_SECONDS = 30 };

extern char **environ;

static char copy[BELOW + ABOVE] __attribute__((aligned(4096))), stack[STACK] __attribute__((aligned(64)));
static bool may_begin, has_ended;

static int allocate_first(void *arg)
{
    while (!__atomic_load_n(&may_begin, __ATOMIC_ACQUIRE)) {}
    for (size_t i = 0; i < 20; i++) {
        void *p = api_malloc(16 << i % 10);
        require(p != NULL, "malloc refused\n");
        memset(p, 1, 16 << i % 10);
        api_free(p);
    }
    __atomic_store_n(&has_ended, true, __ATOMIC_RELEASE);
    syscall(SYS_exit, 0);
    return arg != NULL;
}

/* Copies as much as is mapped, a page at a time. */
static void copy_mapped(char *to, const char *from, size_t n)
{
    for (size_t i = 0, part; i < n; i += part) {
        part = 4096 - (uintptr_t)(from + i) % 4096 < n - i ? 4096 - (uintptr_t)(from + i) % 4096 : n - i;
        struct iovec into = {to + i, part}, out = {(void *)(uintptr_t)(from + i), part};
        if (process_vm_readv(getpid(), &into, 1, &out, 1, 0) < 0) require(errno == EFAULT, "process_vm_readv\n");
    }
}

/* What libc keeps of a thread: its thread-local storage lies below the control block, whose first and third words are its
 * address. */
static void thread_start(void)
{
    uintptr_t own;
    char *block = copy + BELOW;
    syscall(SYS_arch_prctl, ARCH_GET_FS, &own);
    copy_mapped(copy, (char *)own - BELOW, BELOW + ABOVE);
    ((uintptr_t *)(void *)block)[0] = ((uintptr_t *)(void *)block)[2] = (uintptr_t)block;
    int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS;
    require(clone(allocate_first, stack + STACK, flags, NULL, NULL, block, NULL) > 0, "clone\n");
}

static int work(void)
{
    for (size_t i = 0; i < 40; i++) stamped_free(stamped_new(16 << i % 14));
    require_sound("after the first malloc");
    return 0;
}

/* `argument`: how many 10 ns to wait; odd: by the system call. */
static int executed(long argument)
{
    int status;
    watchdog(CHILD_SECONDS);
    thread_start();
    __atomic_store_n(&may_begin, true, __ATOMIC_RELEASE);
    for (uint64_t end = now_ns() + 10 * (uint64_t)argument; now_ns() < end;) {}
    pid_t child = argument % 2 ? (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL) : fork();
    if (child == 0) {
        watchdog(CHILD_SECONDS);
        _exit(work());
    }
    require(child > 0, "fork\n");
    while (!__atomic_load_n(&has_ended, __ATOMIC_ACQUIRE)) sched_yield();
    work();
    require(waitpid(child, &status, 0) == child, "waitpid\n");
    require(status == 0, "after %ld0 ns: the child ended with status %#x\n", argument, (unsigned)status);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 2) return executed(atol(argv[2]));
    long nprocesses = argc > 1 ? atol(argv[1]) : scaled(2000);
    uint64_t random = seed_choose("first_malloc", NULL);
    watchdog(280);
    for (long n = 0; n < nprocesses; n++) {
        char name[] = "first_malloc", word[] = "executed", text[16];
        char *const child_argv[] = {name, word, text, NULL};
        pid_t child;
        int status;
        snprintf(text, sizeof text, "%u", random_below(&random, 2000));
        require(posix_spawn(&child, "/proc/self/exe", NULL, NULL, child_argv, environ) == 0, "posix_spawn\n");
        require(waitpid(child, &status, 0) == child, "waitpid\n");
        require(status == 0, "process %ld (%s0 ns) ended with status %#x\n", n, text, (unsigned)status);
    }
    return 0;
}

#else

int main(void)
{
    say("skipped: makes a thread as x86-64 wants it\n");
    return 77;
}

#endif
