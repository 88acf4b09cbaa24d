/*
 * Signal handlers that allocate are safe as long as they do not interrupt malloc, at any rate, in any thread, on the smallest
 * signal stack.
 *
 *     handler_beside_work profile|alternate [seconds = 30 at full size]
 * profile: SIGPROF at 1 kHz in three threads' time and a timer's signal besides, while these compute and use nothing of libc.
 * alternate: the handler runs on an alternate stack of MINSIGSTKSZ (or what the kernel says is the least, where its own frame is
 * larger) and calls every slow road: large blocks, growth by mremap, calloc, alignment, and first of all a thread's first malloc.
 */
#include "../../stress/stress.h"

#include <pthread.h>
#include <sys/auxv.h>
#include <sys/time.h>

enum { NOWN = 200, NTHREADS = 3, ROOM = 2048 };

static bool is_on_small_stack, is_over;
static volatile long nsignals;
static __thread void *own[NOWN];
static __thread uint64_t random_state;
static __thread bool is_inside; /* a signal in a handler interrupts malloc */

static void use_slow_roads(void)
{
    char *p = api_malloc(200000);
    require(p != NULL && (p = api_realloc(p, 3000000)) != NULL && (p = api_realloc(p, 9000000)) != NULL,
            "a large block refused\n");
    p[8999999] = 1;
    api_free(p);
    api_free(api_calloc(5, 50000));
    require(api_posix_memalign((void **)&p, 65536, 100000) == 0, "posix_memalign refused\n");
    api_free(p);
    api_trim(0);
}

static void on_signal(int sig)
{
    if (is_inside) return;
    is_inside = true;
    for (int i = 0; i < 20; i++) {
        void **place = &own[random_below(&random_state, NOWN)];
        stamped_free(*place);
        *place = stamped_new(size_random(&random_state));
    }
    if (is_on_small_stack) use_slow_roads();
    __atomic_fetch_add(&nsignals, 1, __ATOMIC_RELAXED);
    is_inside = false;
    (void)sig;
}

static void *compute(void *arg)
{
    uint64_t sum = (uintptr_t)arg;
    while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED)) sum = mix64(sum);
    __asm__ volatile("" ::"r"(sum));
    sigset_t all; /* from here on no handler: the thread is about to free */
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    for (int i = 0; i < NOWN; i++) stamped_free(own[i]);
    return NULL;
}

static void *compute_on_small_stack(void *arg)
{
    size_t least = getauxval(AT_MINSIGSTKSZ), size = least > (size_t)MINSIGSTKSZ ? least + ROOM : MINSIGSTKSZ;
    char *memory = map_zeroed(16384 + 4096);
    require(mprotect(memory, 4096, PROT_NONE) == 0, "mprotect\n"); /* what is below dies */
    size = size < 16384 ? size : 16384;
    stack_t stack = {.ss_sp = memory + 4096, .ss_size = size};
    require(sigaltstack(&stack, NULL) == 0, "sigaltstack\n");
    for (int i = 0; i < 50; i++) pthread_kill(pthread_self(), SIGUSR1);
    return compute(arg);
}

int main(int argc, char **argv)
{
    is_on_small_stack = argc > 1 && argv[1][0] == 'a';
    double seconds = argc > 2 ? strtod(argv[2], NULL) : (double)scaled(30);
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART | (is_on_small_stack ? SA_ONSTACK : 0)};
    struct itimerval kilohertz = {{0, 1000}, {0, 1000}};
    pthread_t threads[NTHREADS];
    sigset_t ours;
    watchdog(280);
    sigfillset(&action.sa_mask);
    sigaction(SIGPROF, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    for (uintptr_t i = 0; i < NTHREADS; i++)
        require(pthread_create(&threads[i], NULL, is_on_small_stack ? compute_on_small_stack : compute, (void *)(i + 1)) == 0,
                "pthread_create\n");
    sigemptyset(&ours);
    sigaddset(&ours, SIGPROF);
    sigaddset(&ours, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &ours, NULL); /* the threads take them */
    if (!is_on_small_stack) setitimer(ITIMER_PROF, &kilohertz, NULL);
    for (uint64_t end = now_ns() + (uint64_t)(seconds * 1e9); now_ns() < end; usleep(1000))
        for (int i = 0; i < NTHREADS && !is_on_small_stack; i++) pthread_kill(threads[i], SIGUSR1);
    __atomic_store_n(&is_over, true, __ATOMIC_RELAXED);
    for (int i = 0; i < NTHREADS; i++) pthread_join(threads[i], NULL);
    say("%ld signals\n", nsignals);
    require(nsignals >= (is_on_small_stack ? 50 * NTHREADS : 100), "too few signals\n");
    require_sound("at the end");
    return 0;
}
