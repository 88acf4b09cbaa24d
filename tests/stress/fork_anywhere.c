/*
 * A process forked at any instruction of another thread's malloc or free can allocate, and its heap keeps every law.
 *
 * A thread is single-stepped by its own trap flag through its whole life: its first malloc, one act out of the list below, its
 * exit. At each instruction of the library that the act has not been at before it stops, and the main thread forks: by fork, and
 * every second time by the bare system call, of which no atfork handler hears. The child frees blocks of all its vanished
 * threads, allocates, now and then in a thread of its own, and checks every law. All acts are played twice: first nobody else is
 * there, so that the vanished thread may have been one without a heap; then a bystander owns what the stepped thread frees.
 *     fork_anywhere [seed]
 * At full size that is every instruction that an act passes; else, at a tenth of it, one of 37, at random.
 */
#include "mspace.h"
#include "stress.h"

#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>

enum { NBLOCKS = 150, NGIVEN = 20000, NEXPOSED = 64, CHILD_SECONDS = 30, TEXT_MAX = 1 << 20, TRAP_FLAG = 0x100 };

#if defined(__x86_64__)

/* --- the acts: each passes some of the slow rungs; `given` are blocks that another thread owns --- */

static void *given[NGIVEN];

static void bulk(size_t size, int n)
{
    void *own[NBLOCKS];
    for (int i = 0; i < n; i++) own[i] = api_malloc(size);
    for (int i = 0; i < n; i++) api_free(own[i]);
}

static void free_given(size_t size, int n)
{
    (void)size;
    for (int i = 0; i < n; i++) api_free(given[i]);
}

static void resize(size_t size, int n)
{
    char *p = api_malloc(size);
    for (int i = 0; i < n; i++) p = api_realloc(p, size <<= 1);
    p = api_realloc(p, size >> n);
    api_free(p);
}

extern int mspace_walk(mspace_visitor *visit, void *argument) API_EXTRA;

/* Counts down, and ends the walk at zero. */
static int visit(const struct mspace_item *item, void *left)
{
    (void)item;
    return --*(int *)left == 0;
}

static void look(size_t size, int n)
{
    void *p = api_malloc(size);
    require(mspace_walk(visit, &n) == 1, "the heap cannot be walked\n");
    api_free(p);
}

static void tidy(size_t size, int n)
{
    bulk(size, n);
    api_trim(0);
}

/* The tables beside the range grow, too, every 64 MiB; none of it is touched, nor given back: the next time it grows again. */
static void grow(size_t size, int n)
{
    while (n--) require(api_malloc(size) != NULL, "the range cannot grow\n");
}

/* Below the red zone. */
#define CHANGE_FLAGS(operation, mask)                                                                                            \
    __asm__ volatile("leaq -128(%%rsp), %%rsp; pushfq; " operation " %0, (%%rsp); popfq; leaq 128(%%rsp), %%rsp"                 \
                     :                                                                                                           \
                     : "i"(mask)                                                                                                 \
                     : "memory", "cc")

/* Frees so many of others' blocks, of all that it gets (OF_LATE in src/heap/refill.c), that it uses the last of them again. Only
 * these are stepped, and between them a few of its own, of spans that were used up a few blocks at a time (attached,
 * src/heap/listed.c). */
static void share(size_t size, int n)
{
    enum { NOWN = 1000, APART = NOWN / 5, NFEW = 4 };
    void *own[NOWN];
    CHANGE_FLAGS("andq", ~TRAP_FLAG);
    for (int i = 0; i < NOWN; i++) own[i] = api_malloc(size);
    for (int i = 0; i < NOWN; i += APART)
        for (int k = 0; k < NFEW; k++) api_free(own[i + k]);
    for (int i = 0; i < NOWN / 5; i++) require(api_malloc(size) != NULL, "out of memory\n");
    for (int i = n; i < NGIVEN; i++) api_free(given[i]);
    for (int i = 0; i < 66000; i++) api_free(api_malloc(size));
    for (int i = 0; i < NOWN; i++) require(api_malloc(size) != NULL, "out of memory\n");
    CHANGE_FLAGS("orq", TRAP_FLAG);
    for (int i = 0; i < n; i++) {
        api_free(given[i]);
        api_free(own[i % 5 * APART + NFEW + i / 5]);
    }
    api_trim(0);
}

/* Pages on which only free blocks lie go, and come back. Only that is stepped. */
static void thin_out(size_t size, int n)
{
    void *own[NBLOCKS];
    CHANGE_FLAGS("andq", ~TRAP_FLAG);
    for (int i = 0; i < n; i++) own[i] = api_malloc(size);
    for (int i = 0; i < n; i++)
        if (i % 50) api_free(own[i]);
    CHANGE_FLAGS("orq", TRAP_FLAG);
    api_trim(0);
    for (int i = 0; i < n; i++) require(api_malloc(size) != NULL, "out of memory\n");
}

static const struct act {
    const char *name;
    void (*play)(size_t size, int n);
    size_t size;
    int n, ngiven;
} ACTS[] = {
    {"small blocks", bulk, 960, 150, 0},
    {"smaller blocks", bulk, 448, 150, 0},
    {"medium blocks", bulk, 4096, 40, 0},
    {"medium blocks off the fast path", bulk, 40000, 20, 0},
    {"large blocks", bulk, 300000, 8, 0},
    {"another's small blocks", free_given, 960, 150, 150},
    {"another's medium blocks", free_given, 4096, 40, 40},
    {"another's medium blocks off the fast path", free_given, 40000, 20, 20},
    {"another's large blocks", free_given, 300000, 4, 4},
    {"resizing", resize, 300000, 3, 0},
    {"growth", grow, 128 << 20, 2, 0},
    {"looking", look, 100, 10, 0},
    {"tidying", tidy, 2000000, 4, 0},
    {"thinning out", thin_out, 960, 150, 0},
    {"sharing", share, 960, 150, NGIVEN},
};
enum { NACTS = sizeof ACTS / sizeof *ACTS };

/* --- the thread that is stepped --- */

static struct {
    uintptr_t start, size;
} library;
static unsigned char seen[TEXT_MAX]; /* by the present act */
static uint64_t random_state;
static uint32_t one_in; /* so many new instructions a photograph */
static int asks[2], answers[2];
static const uintptr_t OVER = UINTPTR_MAX;
static bool is_child;

static void tell(int fd, uintptr_t word) { require(write(fd, &word, sizeof word) == sizeof word, "a pipe broke\n"); }

static uintptr_t hear(int fd)
{
    uintptr_t word;
    ssize_t n;
    while ((n = read(fd, &word, sizeof word)) < 0 && errno == EINTR) {}
    require(n == sizeof word, "a pipe broke\n");
    return word;
}

/* libc copies what is large by one instruction, which traps after each byte, and a trap takes microseconds: all but the last byte
 * at once. */
static void shorten_copy(greg_t *registers)
{
    const unsigned char *code = (const unsigned char *)registers[REG_RIP];
    if (code[0] != 0xf3 || code[1] != 0xa4 || (registers[REG_EFL] & 0x400)) return; /* rep movsb, upwards */
    unsigned char *to = (unsigned char *)registers[REG_RDI];
    const unsigned char *from = (const unsigned char *)registers[REG_RSI];
    for (; registers[REG_RCX] > 1; registers[REG_RCX]--) *to++ = *from++;
    registers[REG_RDI] = (greg_t)to;
    registers[REG_RSI] = (greg_t)from;
}

static void on_step(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)info;
    shorten_copy(((ucontext_t *)context)->uc_mcontext.gregs);
    uintptr_t at = (uintptr_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] - library.start;
    if (at >= library.size || seen[at]) return;
    seen[at] = 1;
    if (random_below(&random_state, one_in) != 0) return;
    int saved = errno;
    tell(asks[1], at);
    hear(answers[0]);
    errno = saved;
}

/* Runs after the library's own destructor, whose key is older: the thread's exit is part of every act, up to where libc
 * blocks all signals. */
static pthread_key_t end_key;

static void step_no_more(void *round)
{
    uintptr_t n = (uintptr_t)round;
    if (n < PTHREAD_DESTRUCTOR_ITERATIONS) {
        pthread_setspecific(end_key, (void *)(n + 1));
        return;
    }
    CHANGE_FLAGS("andq", ~TRAP_FLAG);
    if (!is_child) tell(asks[1], OVER); /* a child's thread may inherit the value with the vanished thread's stack */
}

static void *stepped_life(void *argument)
{
    const struct act *act = argument;
    pthread_setspecific(end_key, (void *)1);
    CHANGE_FLAGS("orq", TRAP_FLAG);
    act->play(act->size, act->n);
    return NULL;
}

/* --- the bystander: owns half of what is live all the time, and what the acts free --- */

static void *exposed[NEXPOSED];
static int wants[2], haves[2];

static void make_given(const struct act *act)
{
    for (int i = 0; i < act->ngiven; i++) given[i] = stamped_new(act->size);
}

static void *stand_by(void *argument)
{
    (void)argument;
    uint64_t random = 2;
    for (int i = 0; i < NEXPOSED; i += 2) exposed[i] = stamped_new(size_random(&random));
    for (uintptr_t i; tell(haves[1], 0), (i = hear(wants[0])) != OVER;) make_given(&ACTS[i]);
    return NULL;
}

/* --- the main thread: forks --- */

static void churn(uint64_t random)
{
    void *own[64] = {NULL};
    for (int i = 0; i < 300; i++) {
        void **place = &own[random_below(&random, 64)];
        stamped_free(*place);
        *place = stamped_new(size_random(&random));
    }
    api_free(api_malloc(400000));
    for (int i = 0; i < 64; i++) stamped_free(own[i]);
}

/* The first blocks of a thread come from the heap that all such threads share, and that a vanished one may have held. */
static void *young_life(void *argument)
{
    void *first[] = {api_malloc(1024), api_malloc(48), api_malloc(4096)};
    for (int i = 0; i < NEXPOSED; i += 3) stamped_free(__atomic_exchange_n(&exposed[i], NULL, __ATOMIC_ACQ_REL));
    for (int i = 0; i < 3; i++) api_free(first[i]);
    churn(*(uint64_t *)argument);
    return NULL;
}

__attribute__((noreturn)) static void child_live(uint64_t random, bool has_thread)
{
    int nitems = 10;
    pthread_t young;
    watchdog(CHILD_SECONDS);
    is_child = true;
    if (has_thread) {
        require(pthread_create(&young, NULL, young_life, &random) == 0, "pthread_create in a child\n");
        pthread_join(young, NULL);
    }
    for (int i = 0; i < NEXPOSED; i++) stamped_free(exposed[i]);
    churn(random);
    grow(64 << 20, 3);
    require(mspace_walk(visit, &nitems) == 1, "the heap of a child cannot be walked\n");
    require_sound("in a child");
    _exit(0);
}

/* Whether the child came to a good end. */
static bool photograph(const struct act *act, uintptr_t at, unsigned long n)
{
    int status;
    uint64_t random = random_next(&random_state);
    pid_t child = n % 2 ? (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL) : fork();
    if (child == 0) child_live(random, n % 8 == 0);
    require(child > 0, "child %lu could not be forked\n", n);
    while (waitpid(child, &status, 0) < 0) require(errno == EINTR, "waitpid\n");
    if (status == 0) return true;
    say("BROKEN: a child ended with status %#x: forked by %s while another thread, at %s, was at libmspace.so+%#zx\n",
        (unsigned)status, n % 2 ? "clone" : "fork", act->name, (size_t)at);
    return false;
}

static int find_library(struct dl_phdr_info *object, size_t size, void *own)
{
    (void)size;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        if (part->p_type != PT_LOAD || (uintptr_t)own - object->dlpi_addr - part->p_vaddr >= part->p_memsz) continue;
        library.start = object->dlpi_addr;
        library.size = part->p_vaddr + part->p_memsz;
    }
    return 0;
}

/* One act, with a photograph at each new instruction; returns the number of photographs that went wrong. */
static unsigned long play(const struct act *act, unsigned long *n)
{
    pthread_t stepped;
    unsigned long nbroken = 0;
    memset(seen, 0, sizeof seen);
    require(pthread_create(&stepped, NULL, stepped_life, (void *)(uintptr_t)act) == 0, "pthread_create\n");
    for (uintptr_t at; (at = hear(asks[0])) != OVER; tell(answers[1], 0)) nbroken += !photograph(act, at, (*n)++);
    pthread_join(stepped, NULL);
    return nbroken;
}

static void set_up(const char *seed)
{
    random_state = seed_choose("fork_anywhere", seed);
    one_in = (uint32_t)(4 * (1000 / scaled(1000)) - 3); /* all at full size */
    watchdog(280);
    require(api_is_mspace(), "libmspace is not loaded\n");
    dl_iterate_phdr(find_library, (void *)(uintptr_t)mspace_verify);
    require(library.size > 0 && library.size < TEXT_MAX, "the library's code was not found\n");
    require(pipe(asks) == 0 && pipe(answers) == 0 && pipe(wants) == 0 && pipe(haves) == 0, "pipe\n");
    require(pthread_key_create(&end_key, step_no_more) == 0, "pthread_key_create\n");
    struct sigaction action = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};
    sigaction(SIGTRAP, &action, NULL);
}

int main(int argc, char **argv)
{
    pthread_t bystander;
    unsigned long n = 0, nbroken = 0;
    set_up(argc > 1 ? argv[1] : NULL);
    for (int i = 1; i < NEXPOSED; i += 2) exposed[i] = stamped_new(size_random(&random_state));
    for (int i = 0; i < NACTS; i++) {
        make_given(&ACTS[i]);
        nbroken += play(&ACTS[i], &n);
    }
    require(pthread_create(&bystander, NULL, stand_by, NULL) == 0, "pthread_create\n");
    hear(haves[0]);
    for (uintptr_t i = 0; i < NACTS; i++) {
        tell(wants[1], i);
        hear(haves[0]);
        nbroken += play(&ACTS[i], &n);
    }
    tell(wants[1], OVER);
    pthread_join(bystander, NULL);
    say("%lu children, %lu of them broken\n", n, nbroken);
    require(n > 100, "only %lu instructions were stopped at: nothing was tested\n", n);
    require_sound("in the parent");
    return nbroken != 0;
}

#else

int main(void) { return 77; }

#endif
