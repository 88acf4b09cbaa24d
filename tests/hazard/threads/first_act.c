/*
 * A thread's very first allocation may be one that libc makes for a destructor: of a key above 31, of a thread_local object, of
 * exit.
 *
 *     first_act [threads = 3000 at full size]
 * The program, or an object preloaded beside the allocator (keys_first.c), has created so many keys that even the allocator's own
 * may be above 31: to learn of its first thread's end it then allocates, inside an allocation. Each thread begins with
 * pthread_setspecific, __cxa_thread_atexit_impl, atexit or malloc, goes on with the others, and ends with all destructors.
 */
#include "../../stress/stress.h"

#include <limits.h>
#include <pthread.h>

enum { BATCH = 8, NATEXIT = 200 };

extern int __cxa_thread_atexit_impl(void (*destroy)(void *), void *object, void *dso);
extern void *__dso_handle;

static pthread_key_t keys[PTHREAD_KEYS_MAX];
static int nkeys;
static long ndestroyed, nexits, nexits_expected;

static void destroy(void *block)
{
    __atomic_fetch_add(&ndestroyed, 1, __ATOMIC_RELAXED);
    stamped_free(block);
    stamped_free(stamped_new(300));
}

static void at_exit(void)
{
    stamped_free(stamped_new(200));
    if (++nexits == nexits_expected) say("every exit handler has run\n");
}

/* Blocks of the main thread's, so that libc's allocation is the first. */
struct thread_args {
    int first;
    void *blocks[2];
};

static void act(const struct thread_args *args, int which)
{
    switch (which % 4) {
    case 0:
        require(pthread_setspecific(keys[nkeys - 1 - args->first % 50], args->blocks[0]) == 0, "pthread_setspecific\n");
        break;
    case 1: require(__cxa_thread_atexit_impl(destroy, args->blocks[1], &__dso_handle) == 0, "__cxa_thread_atexit_impl\n"); break;
    case 2:
        if (__atomic_fetch_add(&nexits_expected, 1, __ATOMIC_RELAXED) < NATEXIT) require(atexit(at_exit) == 0, "atexit\n");
        else __atomic_fetch_sub(&nexits_expected, 1, __ATOMIC_RELAXED);
        break;
    default: stamped_free(stamped_new(100));
    }
}

static void *live(void *argument)
{
    const struct thread_args *args = argument;
    for (int i = 0; i < 4; i++) act(args, args->first + i);
    return NULL;
}

int main(int argc, char **argv)
{
    long nthreads = argc > 1 ? atol(argv[1]) : scaled(3000), nrun = 0;
    static struct thread_args args[BATCH];
    pthread_t threads[BATCH];
    watchdog(280);
    while (nkeys < 1000 && pthread_key_create(&keys[nkeys], destroy) == 0) nkeys++;
    require(nkeys > 50, "only %d keys\n", nkeys);
    for (; nrun < nthreads; nrun += BATCH) {
        for (int i = 0; i < BATCH; i++) {
            args[i] = (struct thread_args){(int)nrun / BATCH * 3 + i, {stamped_new(40), stamped_new(4000)}};
            require(pthread_create(&threads[i], NULL, live, &args[i]) == 0, "pthread_create\n");
        }
        for (int i = 0; i < BATCH; i++) pthread_join(threads[i], NULL);
    }
    require(ndestroyed == 2 * nrun, "%ld destructors ran, not %ld\n", ndestroyed, 2 * nrun);
    require_sound("after the last thread");
    exit(0);
}
