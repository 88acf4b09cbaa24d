/* sandboxed.c: system call filters, as programs put on themselves after start-up, and worlds where a call is never allowed.
 *
 *     sandboxed WORLD                      in this process: the filter, then allocation of every kind
 *     sandboxed WORLD PROGRAM [ARGS...]    the filter, then the program from its start (only worlds without kill)
 *     sandboxed WORLD bite                 the filter, then what it forbids: dies or is refused, so it is there
 *
 * H50. Sandboxed programs may make the calls on a list; any other ends the process by SIGSYS, or is an error. glibc's malloc
 * needs mmap, munmap, mremap, brk, madvise(DONTNEED) and futex, so lists have these; what else a malloc does (getrandom, prctl,
 * mprotect to execute, sched_getaffinity, open) kills sshd, man, or a browser. The lists here are made for this test, in the
 * spirit of three:
 *
 *      server    a server's process before login: read and write of open files, memory, no mapping that can be executed, some advice
 *      filter    a tool between pipes: opens files besides
 *      browser   a renderer: threads; mremap ends it, mmap's flags and mprotect's bits are limited; the library needs mremap=0
 *      no_madvise, no_mremap, no_munmap, no_futex, no_mmap    the call is EPERM (mmap: ENOMEM), all others are allowed
 */
#include "api.h"
#include "support.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#endif

/* --- filters --- */

static struct sock_filter program[256];
static unsigned short length;

static void add(unsigned short code, uint32_t k, unsigned yes, unsigned no)
{
    program[length++] = (struct sock_filter){code, (unsigned char)yes, (unsigned char)no, k};
}

static void load(size_t offset) { add(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0); }
static void load_number(void) { load(offsetof(struct seccomp_data, nr)); }
static void answer(uint32_t action) { add(BPF_RET | BPF_K, action, 0, 0); }

static void begin(void)
{
    load(offsetof(struct seccomp_data, arch));
    add(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0);
    answer(SECCOMP_RET_KILL_PROCESS);
    load_number();
}

static void on(long number, uint32_t action)
{
    add(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 1);
    answer(action);
}
static void allow(long number) { on(number, SECCOMP_RET_ALLOW); }

/* Allowed if argument `n` has no bit outside `bits`. */
static void allow_bits(long number, unsigned n, uint32_t bits, uint32_t otherwise)
{
    add(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 5);
    load(offsetof(struct seccomp_data, args) + n * 8); /* the low half */
    add(BPF_JMP | BPF_JSET | BPF_K, ~bits, 0, 1);
    answer(otherwise);
    answer(SECCOMP_RET_ALLOW);
    load_number(); /* not reached: keeps the accumulator's meaning plain */
}

static void refuse(uint32_t error, const long *numbers)
{
    for (; *numbers >= 0; numbers++) on(*numbers, SECCOMP_RET_ERRNO | error);
}

#define KILL SECCOMP_RET_KILL_PROCESS

static void memory_calls(void)
{
    allow(SYS_munmap), allow(SYS_brk), allow(SYS_futex);
    allow(SYS_read), allow(SYS_write), allow(SYS_close), allow(SYS_exit), allow(SYS_exit_group);
    allow(SYS_clock_gettime), allow(SYS_gettimeofday), allow(SYS_rt_sigprocmask), allow(SYS_rt_sigreturn), allow(SYS_getpid);
}

static void server(void)
{
    static const long advice[] = {MADV_NORMAL, MADV_DONTNEED, MADV_FREE, MADV_DONTFORK, MADV_DODUMP};
    memory_calls();
    allow_bits(SYS_mmap, 2, PROT_READ | PROT_WRITE, KILL);
    allow_bits(SYS_mprotect, 2, PROT_READ | PROT_WRITE, KILL);
    allow(SYS_mremap);
    add(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 2 * sizeof advice / sizeof *advice + 2);
    load(offsetof(struct seccomp_data, args) + 16);
    for (size_t i = 0; i < sizeof advice / sizeof *advice; i++) allow(advice[i]);
    answer(SECCOMP_RET_ERRNO | EINVAL);
    allow(SYS_pselect6), allow(SYS_ppoll), allow(SYS_shutdown);
    refuse(EACCES, (const long[]){SYS_openat, SYS_newfstatat, SYS_socket, -1});
    answer(KILL);
}

static void filter(void)
{
    memory_calls();
    allow(SYS_mmap), allow(SYS_mprotect), allow(SYS_mremap), allow(SYS_madvise);
    allow(SYS_openat), allow(SYS_fstat), allow(SYS_newfstatat), allow(SYS_lseek), allow(SYS_getdents64), allow(SYS_dup),
        allow(SYS_fcntl);
    allow(SYS_getuid), allow(SYS_geteuid), allow(SYS_uname), allow(SYS_writev), allow(SYS_rt_sigaction);
    answer(KILL);
}

static void browser(void)
{
    memory_calls();
    allow_bits(SYS_mmap, 3,
               MAP_SHARED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE | MAP_FIXED | MAP_DENYWRITE | MAP_LOCKED,
               KILL);
    allow_bits(SYS_mprotect, 2, PROT_READ | PROT_WRITE | PROT_EXEC, KILL);
    allow(SYS_madvise), allow(SYS_gettid), allow(SYS_sched_yield), allow(SYS_rt_sigaction), allow(SYS_set_robust_list),
        allow(SYS_rseq);
    allow_bits(SYS_clone, 0,
               CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS |
                   CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID,
               KILL);
    refuse(ENOSYS, (const long[]){SYS_clone3, -1});
    answer(KILL);
}

static void without(long number, int error)
{
    on(number, SECCOMP_RET_ERRNO | (uint32_t)error);
    answer(SECCOMP_RET_ALLOW);
}
static void no_madvise(void) { without(SYS_madvise, EPERM); }
static void no_mremap(void) { without(SYS_mremap, EPERM); }
static void no_munmap(void) { without(SYS_munmap, EPERM); }
static void no_futex(void) { without(SYS_futex, EPERM); }
static void no_mmap(void) { without(SYS_mmap, ENOMEM); }

static const struct world {
    const char *name;
    void (*write)(void);
    bool kills, has_threads, has_memory;
    long forbidden;
} worlds[] = {
    {"server", server, true, false, true, SYS_sysinfo},
    {"filter", filter, true, false, true, SYS_sysinfo},
    {"browser", browser, true, true, true, SYS_mremap},
    {"no_madvise", no_madvise, false, true, true, SYS_madvise},
    {"no_mremap", no_mremap, false, true, true, SYS_mremap},
    {"no_munmap", no_munmap, false, true, true, SYS_munmap},
    {"no_futex", no_futex, false, false, true, SYS_futex},
    {"no_mmap", no_mmap, false, false, false, SYS_mmap},
};

static void enter(const struct world *world)
{
    begin();
    world->write();
    struct sock_fprog filter_of = {length, program};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter_of) == 0) return;
    say("no system call filters here: errno %d\n", errno);
    _exit(77);
}

/* --- allocation of every kind --- */

static bool may_refuse;

static void *had(void *p, size_t size, int with)
{
    if (!p && may_refuse) return require(errno == ENOMEM, "errno %d\n", errno), NULL;
    require(p != NULL, "no %zu bytes\n", size);
    if (with) memset(p, with, size);
    return p;
}

static bool is_all(const char *p, size_t size, int with)
{
    return size == 0 || (p[0] == (char)with && memcmp(p, p + 1, size - 1) == 0);
}

static void let(void *p)
{
    errno = 12345;
    api_free(p);
    require(errno == 12345, "free sets errno to %d\n", errno);
}

static void kinds(void)
{
    for (size_t size = 1; size < 20000000; size = size * 5 / 3 + 1) {
        char *p[6] = {had(api_malloc(size), size, 0x11),
                      had(api_calloc(1, size), size, 0),
                      had(api_memalign(256, size), size, 0x33),
                      had(api_aligned_alloc(65536, size), size, 0x44),
                      NULL,
                      had(api_realloc(NULL, size), size, 0x66)};
        if (api_posix_memalign((void **)&p[4], 4096, size) != 0) p[4] = had(NULL, size, 0);
        if (p[1]) require(is_all(p[1], size, 0), "calloc of %zu bytes is not zero\n", size), memset(p[1], 0x22, size);
        if (p[4]) memset(p[4], 0x55, size);
        for (int i = 0; i < 6; i++) {
            char *moved = api_realloc(p[i], 2 * size);
            if (had(moved, 0, 0)) p[i] = moved;
            if (p[i])
                require(is_all(p[i], size, i == 4 ? 0x55 : 0x11 * (i + 1)), "realloc to %zu bytes lost something\n", 2 * size);
        }
        for (int i = 0; i < 6; i++) let(p[(i * 5) % 6]);
    }
}

static void *in_thread(void *unused)
{
    kinds();
    return unused;
}

/* Much memory that comes and goes, so that it is given back. */
static void churn(void)
{
    static char *blocks[20000];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 20000; i++) blocks[i] = had(api_malloc((size_t)(i % 90) * 60), (size_t)(i % 90) * 60, 1 + i % 100);
        for (int i = 0; i < 20000; i++) {
            size_t size = (size_t)(i % 90) * 60;
            if (blocks[i]) require(is_all(blocks[i], size, 1 + i % 100), "block %d has changed\n", i);
            let(blocks[i]);
        }
        char *grown = NULL;
        size_t last = 0;
        for (size_t size = 1 << 20; size < 90 << 20; size += size / 3) {
            char *moved = had(api_realloc(grown, size), 0, 0);
            if (!moved) break;
            require(!grown || (moved[0] == 9 && moved[last] == 9), "a growing block has changed\n");
            grown = moved;
            grown[0] = grown[last = size - 1] = 9;
        }
        let(grown);
    }
    if (api_is_mspace()) api_trim(0); /* another's trim is libc's, which would start its own malloc */
}

/* In a world without memory only what there is can be had, and that must go on. */
static void little(void)
{
    static void *blocks[1000000];
    long n = 0, again = 0;
    while (n < 1000000 && (blocks[n] = had(api_malloc(1000), 1000, 1)) != NULL) n++;
    for (long i = 0; i < n; i++) let(blocks[i]);
    while (again < n && (blocks[again] = had(api_malloc(1000), 1000, 1)) != NULL) again++;
    for (long i = 0; i < again; i++) let(blocks[i]);
    say("%ld blocks, then %ld\n", n, again);
    require(again >= n - n / 10, "%ld blocks could be had, and when they are free %ld\n", n, again);
}

static int bite(const struct world *world)
{
    pid_t child = fork();
    if (child == 0) {
        enter(world);
        long result = syscall(world->forbidden, -1, -1, -1, -1, -1, -1);
        _exit(result == -1 && (errno == EPERM || errno == ENOMEM) ? 10 : 11);
    }
    int status;
    require(child > 0 && waitpid(child, &status, 0) == child, "no child\n");
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) return 77;
    bool is_right =
        world->kills ? WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS : WIFEXITED(status) && WEXITSTATUS(status) == 10;
    require(is_right, "the filter does not bite: wait status %x\n", (unsigned)status);
    return 0;
}

int main(int argc, char **argv)
{
    const struct world *world = worlds;
    while (argc > 1 && strcmp(world->name, argv[1]) != 0)
        require(++world < worlds + sizeof worlds / sizeof *worlds, "no such world\n");
    require(argc > 1, "usage: sandboxed WORLD [bite | PROGRAM ARGS...]\n");
    if (argc > 2 && strcmp(argv[2], "bite") == 0) return bite(world);
    if (argc > 2) {
        enter(world);
        execvp(argv[2], argv + 2);
        fail("cannot run %s: errno %d\n", argv[2], errno);
    }
    watchdog(100);
    may_refuse = !world->has_memory;
    int status = bite(world);
    if (status != 0) return status;
    let(api_malloc(100)); /* started, as any program is by then */
    enter(world);
    kinds();
    if (world->has_memory) churn();
    else little();
    for (int i = 0; world->has_threads && i < 2; i++) {
        pthread_t other;
        require(pthread_create(&other, NULL, in_thread, NULL) == 0, "no thread\n");
        kinds();
        require(pthread_join(other, NULL) == 0, "no end of a thread\n");
    }
    require(api_verify() == 0, "the heap is broken\n");
    say("%s: all kinds are served\n", world->name);
    return 0;
}
