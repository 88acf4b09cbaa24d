/*
 * A process forked while other threads are inside malloc can allocate; neither it nor its parent hangs or finds its heap damaged.
 *
 * Four threads allocate, swap and free without pause. The main thread forks 1,000 times. Each child checks and frees blocks it
 * inherited, allocates and frees 10,000 times and exits; one in 8 starts two threads of its own, one in 16 forks again.
 *     fork_while_allocating fork|clone [seed]
 * clone is the bare system call with SIGCHLD: no atfork handler runs, so the allocator must notice by itself. Such a child may
 * use nothing of libc but malloc: no threads, no exit handlers.
 */
#include "stress.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { NTHREADS = 4, NPLACES = 512, NKEPT = 256, NFORKS = 1000, CHILD_OPS = 10000, CHILD_SECONDS = 30 };

static void *places[NPLACES]; /* swapped by the four threads and the main thread */
static bool is_raw, is_over;

static void swap_one(uint64_t *random)
{
    void *mine = stamped_new(size_random(random));
    stamped_free(__atomic_exchange_n(&places[random_below(random, NPLACES)], mine, __ATOMIC_ACQ_REL));
}

static void *allocate_on(void *arg)
{
    uint64_t random = *(uint64_t *)arg;
    while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED)) swap_one(&random);
    return NULL;
}

static pid_t process_new(void)
{
    return is_raw ? (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL) : fork();
}

static void churn(uint64_t random)
{
    void *own[128] = {NULL};
    for (int i = 0; i < CHILD_OPS; i++) {
        void **place = &own[random_below(&random, 128)];
        stamped_free(*place);
        *place = stamped_new(size_random(&random));
    }
    for (int i = 0; i < 128; i++) stamped_free(own[i]);
}

static void *churn_thread(void *arg)
{
    churn(*(uint64_t *)arg);
    return NULL;
}

static void child_threads(uint64_t random)
{
    pthread_t threads[2];
    uint64_t seeds[2] = {random, ~random};
    for (int i = 0; i < 2; i++)
        require(pthread_create(&threads[i], NULL, churn_thread, &seeds[i]) == 0, "pthread_create in a child\n");
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
}

/* The child's life. The other threads' blocks in `places` are whole or NULL: each was published after it was stamped. */
__attribute__((noreturn)) static void child_live(void **kept, uint64_t random, long n)
{
    watchdog(CHILD_SECONDS);
    for (int i = 0; i < NKEPT; i += 2) stamped_free(kept[i]);
    for (int i = 0; i < NPLACES; i += 2) stamped_free(__atomic_exchange_n(&places[i], NULL, __ATOMIC_ACQ_REL));
    churn(random);
    if (n % 8 == 1 && !is_raw) child_threads(random);
    if (n % 16 == 2) {
        pid_t grandchild = process_new();
        if (grandchild == 0) { watchdog(CHILD_SECONDS); churn(~random); _exit(0); }
        child_wait(grandchild, "grandchild", n);
    }
    require_sound("in a child");
    if (n % 4 == 3 && !is_raw) exit(0);
    _exit(0);
}

int main(int argc, char **argv)
{
    require(argc > 1 && (strcmp(argv[1], "fork") == 0 || strcmp(argv[1], "clone") == 0), "usage: %s fork|clone [seed]\n",
            argv[0]);
    is_raw = strcmp(argv[1], "clone") == 0;
    uint64_t random = seed_choose("fork_while_allocating", argc > 2 ? argv[2] : NULL), seeds[NTHREADS];
    void *kept[NKEPT];
    pthread_t threads[NTHREADS];
    long nforks = scaled(NFORKS);
    watchdog(280);
    for (int i = 0; i < NKEPT; i++) kept[i] = stamped_new(size_random(&random));
    for (int i = 0; i < NTHREADS; i++) {
        seeds[i] = random_next(&random);
        require(pthread_create(&threads[i], NULL, allocate_on, &seeds[i]) == 0, "pthread_create\n");
    }
    for (long n = 0; n < nforks; n++) {
        for (int i = 0; i < 100; i++) swap_one(&random);
        pid_t child = process_new();
        if (child == 0) child_live(kept, random, n);
        child_wait(child, "child", n);
    }
    __atomic_store_n(&is_over, true, __ATOMIC_RELAXED);
    for (int i = 0; i < NTHREADS; i++) pthread_join(threads[i], NULL);
    require_sound("in the parent");
    for (int i = 0; i < NKEPT; i++) stamped_free(kept[i]);
    for (int i = 0; i < NPLACES; i++) stamped_free(places[i]);
    require_sound("in the parent, with all blocks freed");
    return 0;
}
