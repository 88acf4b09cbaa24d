/*
 * Threads that are cancelled at any instant, inside malloc too, take no other thread with them more often than under glibc.
 *
 *     cancelled storm|deferred [processes = 200 at full size] [seed]
 * storm: each process (judged by its end) has two threads that only compute on blocks of their own and of which nothing must be
 * lost, and cancels 20 more, one after another, that allocate with PTHREAD_CANCEL_ASYNCHRONOUS. Prints how many processes hang,
 * die or find damage; not_worse.sh judges.
 * deferred: what POSIX allows: threads that allocate and ask malloc_stats, malloc_info and malloc_trim are cancelled at
 * cancellation points only; every one of them ends, its clean-up handlers allocate and free, and the process is as sound as
 * before.
 */
#include "../../stress/stress.h"

#include <pthread.h>
#include <sys/wait.h>

enum { NVICTIMS = 20, NSURVIVORS = 2, SECONDS = 10, NROUNDS = 300, NBLOCKS = 64 };

static bool is_over;

static void churn(void **own, uint64_t *random)
{
    void **place = &own[random_below(random, NBLOCKS)];
    void *block = *place;
    *place = NULL;
    stamped_free(block);
    *place = stamped_new(size_random(random));
}

static void *victim(void *arg)
{
    void *own[NBLOCKS] = {NULL};
    uint64_t random = (uintptr_t)arg;
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    for (;;) churn(own, &random);
    return NULL;
}

static void *survivor(void *arg)
{
    void *own[NBLOCKS] = {NULL};
    uint64_t random = (uintptr_t)arg;
    while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED)) churn(own, &random);
    for (int i = 0; i < 20000; i++) churn(own, &random);
    for (int i = 0; i < NBLOCKS; i++) stamped_free(own[i]);
    return NULL;
}

__attribute__((noreturn)) static void storm_live(uint64_t random)
{
    pthread_t survivors[NSURVIVORS], thread;
    watchdog(SECONDS);
    for (uintptr_t i = 0; i < NSURVIVORS; i++)
        require(pthread_create(&survivors[i], NULL, survivor, (void *)(i + random)) == 0, "pthread_create\n");
    for (int i = 0; i < NVICTIMS; i++) {
        require(pthread_create(&thread, NULL, victim, (void *)(uintptr_t)random_next(&random)) == 0, "pthread_create\n");
        usleep(random_below(&random, 2000));
        pthread_cancel(thread);
        pthread_join(thread, NULL);
    }
    __atomic_store_n(&is_over, true, __ATOMIC_RELAXED);
    for (int i = 0; i < NSURVIVORS; i++) pthread_join(survivors[i], NULL);
    _exit(0);
}

static int storm(long nprocesses, uint64_t random)
{
    long nends[4] = {0};
    enum { NPARALLEL = 20 }; /* as many as there are at a tenth of full size: one that hangs takes all its seconds */
    for (long n = 0; n < nprocesses; n += NPARALLEL) {
        for (int i = 0; i < NPARALLEL; i++) {
            uint64_t childs = random_next(&random);
            pid_t child = fork();
            require(child >= 0, "fork\n");
            if (child != 0) continue;
            int null = open("/dev/null", O_WRONLY);
            dup2(null, STDOUT_FILENO);
            dup2(null, STDERR_FILENO);
            storm_live(childs);
        }
        for (int i = 0; i < NPARALLEL; i++) {
            int status;
            require(wait(&status) > 0, "wait\n");
            nends[WIFSIGNALED(status) ? 1 : WEXITSTATUS(status) == 0 ? 0 : WEXITSTATUS(status) == 3 ? 2 : 3]++;
        }
    }
    say("%ld processes end well, %ld hang, %ld die, %ld find damage\n", nends[0], nends[2], nends[1], nends[3]);
    say("harmful: %ld\n", nends[1] + nends[2] + nends[3]);
    return 0;
}

static FILE *null;

static void clean_up(void *block)
{
    stamped_free(block);
    stamped_free(stamped_new(3000));
}

__attribute__((noinline)) static void ask(uint64_t random)
{
    for (;;) {
        void *block = stamped_new(size_random(&random));
        if (random_below(&random, 3) == 0) malloc_info(0, null);
        if (random_below(&random, 3) == 0) malloc_stats(); /* writes to standard error, a cancellation point */
        api_trim(0);
        stamped_free(block);
        pthread_testcancel();
    }
}

static void *asker(void *arg)
{
    pthread_cleanup_push(clean_up, stamped_new(400));
    ask((uintptr_t)arg);
    pthread_cleanup_pop(1);
    return NULL;
}

static int deferred(uint64_t random)
{
    pthread_t survivors[NSURVIVORS], threads[4];
    null = fopen("/dev/null", "w");
    require(null != NULL && dup2(fileno(null), STDERR_FILENO) == STDERR_FILENO, "/dev/null\n");
    for (uintptr_t i = 0; i < NSURVIVORS; i++)
        require(pthread_create(&survivors[i], NULL, survivor, (void *)i) == 0, "pthread_create\n");
    for (long n = scaled(NROUNDS); n--;) {
        for (int i = 0; i < 4; i++)
            require(pthread_create(&threads[i], NULL, asker, (void *)(uintptr_t)random_next(&random)) == 0, "pthread_create\n");
        usleep(random_below(&random, 3000));
        for (int i = 0; i < 4; i++) pthread_cancel(threads[i]);
        for (int i = 0; i < 4; i++) {
            void *result;
            pthread_join(threads[i], &result);
            require(result == PTHREAD_CANCELED, "a thread was not cancelled\n");
        }
    }
    __atomic_store_n(&is_over, true, __ATOMIC_RELAXED);
    for (int i = 0; i < NSURVIVORS; i++) pthread_join(survivors[i], NULL);
    require_sound("at the end");
    return 0;
}

int main(int argc, char **argv)
{
    long nprocesses = argc > 2 ? atol(argv[2]) : scaled(200);
    uint64_t random = seed_choose("cancelled", argc > 3 ? argv[3] : NULL);
    watchdog(280);
    return argc > 1 && argv[1][0] == 's' ? storm(nprocesses, random) : deferred(random);
}
