/* instructions.c: how many instructions a warmed malloc and free execute, counted by single-stepping, from entry to ret.
 *
 * A child is made by fork, so that all addresses are ours; it stops itself by int3 right before each call that is to be counted,
 * and is stepped from there. Neither function may move the stack pointer between its entry and its return: no call, no push. */
#include "support.h"

#include <dlfcn.h>
#include <errno.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

#ifdef __clang__
enum { MORE = 3 };      /* what clang 14 makes of free; the library is built by gcc */
#else
enum { MORE = 0 };
#endif
/* A medium block's free looks besides whether its bit or what it holds says that it is free, whether the list has room, and
 * counts. A list's last costs malloc 2. */
enum { MALLOC_MAX = 22, LAST_MAX = 24, FREE_MAX = 28 + MORE, MEDIUM_FREE_MAX = 47 + MORE, SMALL_MAX = 1040 };

static const size_t SIZES[] = {16, 48, 256, 4160, 32768}; /* of classes: neighbours are so far apart */
enum { NSIZES = sizeof SIZES / sizeof *SIZES };

/* By dlsym: the library's own entries, never a stub of this program's. */
static void *(*the_malloc)(size_t);
static void (*the_free)(void *);
static void *(*the_calloc)(size_t, size_t);

static void stop(void) { __asm__ volatile("int3" ::: "memory"); }

/* --- the child --- */

/* Two neighbours out of one span, and a third block of it on its free list: everything below is warm. */
static void warm(size_t size, char **first, char **second)
{
    char *before = the_malloc(size), *a, *b, *c;
    for (;;) {
        a = the_malloc(size), b = the_malloc(size), c = the_malloc(size);
        if (a == before + size && b == a + size && c == b + size) break;
        before = c;
    }
    the_free(the_malloc(size)); /* the last of a list */
    the_free(before);
    the_free(a);
    *first = b;
    *second = c;
}

/* Counted: two mallocs of blocks that were just freed; then, with another block of the span on top of the free list, a free. */
static void work_on(size_t size)
{
    char *first, *second;
    warm(size, &first, &second);
    stop();
    char *p = the_malloc(size);
    stop();
    char *q = the_malloc(size);
    the_free(second);       /* the head of the list is another than the block freed next */
    stop();
    the_free(first);
    if (!p || !q) _exit(1);
}

static void work(void)
{
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    for (int i = 0; i < NSIZES; i++) work_on(SIZES[i]);
    stop();
    the_free(the_calloc(1, 100));       /* a function that calls: so much must be seen */
    _exit(0);
}

/* --- the parent --- */

static void resume(pid_t child, enum __ptrace_request how)
{
    int status;
    require(ptrace(how, child, NULL, NULL) == 0, "ptrace: errno %d\n", errno);
    require(waitpid(child, &status, 0) == child, "waitpid: errno %d\n", errno);
    require(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP, "the child ended: status %x\n", (unsigned)status);
}

static struct user_regs_struct registers(pid_t child)
{
    struct user_regs_struct regs;
    require(ptrace(PTRACE_GETREGS, child, NULL, &regs) == 0, "ptrace: errno %d\n", errno);
    return regs;
}

struct count {
    unsigned ninstructions;
    bool moves_stack;
};

/* From the child's next entry to `function` up to and including the ret that leaves it. */
static struct count count(pid_t child, uintptr_t function)
{
    struct count count = {0, false};
    struct user_regs_struct regs = registers(child);
    while (regs.rip != function) resume(child, PTRACE_SINGLESTEP), regs = registers(child);
    uintptr_t top = regs.rsp, back = (uintptr_t)ptrace(PTRACE_PEEKDATA, child, (void *)top, NULL);
    while (regs.rip != back) {
        count.ninstructions++;
        resume(child, PTRACE_SINGLESTEP);
        regs = registers(child);
        if (regs.rsp != top && regs.rip != back) count.moves_stack = true;
    }
    return count;
}

static int judge(const char *what, size_t size, struct count got, unsigned most)
{
    bool is_good = got.ninstructions <= most && !got.moves_stack;
    say("%s of %zu bytes: %u instructions, at most %u; %s%s\n", what, size, got.ninstructions, most,
        got.moves_stack ? "calls or pushes" : "no call, no push", is_good ? "" : "   <-- BROKEN");
    return !is_good;
}

int main(void)
{
    int nbroken = 0;
    watchdog(60);
    *(void **)&the_malloc = dlsym(RTLD_DEFAULT, "malloc");
    *(void **)&the_free = dlsym(RTLD_DEFAULT, "free");
    *(void **)&the_calloc = dlsym(RTLD_DEFAULT, "calloc");
    require(dlsym(RTLD_DEFAULT, "mspace_version") != NULL, "the library is not loaded\n");
    pid_t child = fork();
    if (child == 0) work();
    int status;
    require(waitpid(child, &status, 0) == child && WIFSTOPPED(status), "the child cannot be traced\n");
    for (int i = 0; i < NSIZES; i++) {
        bool is_small = SIZES[i] <= SMALL_MAX;
        nbroken += judge("malloc", SIZES[i], count(child, (uintptr_t)the_malloc), MALLOC_MAX);
        resume(child, PTRACE_CONT);
        nbroken += judge("malloc", SIZES[i], count(child, (uintptr_t)the_malloc), LAST_MAX);
        resume(child, PTRACE_CONT);
        nbroken += judge("free  ", SIZES[i], count(child, (uintptr_t)the_free), is_small ? FREE_MAX : MEDIUM_FREE_MAX);
        resume(child, PTRACE_CONT);
    }
    struct count calling = count(child, (uintptr_t)the_calloc);
    require(calling.moves_stack, "calloc, which calls, was counted as %u instructions without a call: this test is blind\n",
            calling.ninstructions);
    kill(child, SIGKILL);
    return nbroken != 0;
}
