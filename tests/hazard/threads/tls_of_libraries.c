/*
 * C++ thread_local objects of three libraries, keys' destructors and libc's own buffers all free after their thread's heap is
 * gone.
 *
 *     tls_of_libraries [threads = 4000 at full size]
 * Of each thread's 40 keys half go on setting themselves anew to the last round. In the last round some destructors only free,
 * blocks of their own thread and such as the main thread made: after ours, whose key is older, has given the heap back. strerror
 * and dlerror leave buffers that libc frees after all destructors. Every block is checked before it goes, and there must be as
 * many frees as blocks.
 */
#include "../../stress/stress.h"

#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>

enum { NKEYS = 40, BATCH = 8 };

extern size_t objects_touch_1(void), objects_touch_2(void), objects_touch_3(void);

struct value {
    int key, round;
    void *own[4], *others;
};

static pthread_key_t keys[NKEYS];
static long nlast; /* destructors that were called in the last round; atomic */

/* Allocates in no round but the last but one: what comes after that only frees. */
static void destroy(void *argument)
{
    struct value *v = argument;
    if (v->key % 2 == 0 && ++v->round < PTHREAD_DESTRUCTOR_ITERATIONS) {
        stamped_free(v->own[v->round]);
        v->own[v->round] = stamped_new(100 * (size_t)(v->round + v->key));
        pthread_setspecific(keys[v->key], v);
        return;
    }
    if (v->round == PTHREAD_DESTRUCTOR_ITERATIONS) __atomic_fetch_add(&nlast, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < 4; i++) stamped_free(v->own[i]);
    stamped_free(v->others);
    api_free(v);
}

static void *live(void *others)
{
    void **given = others;
    for (int k = 0; k < NKEYS; k++) {
        struct value *v = api_malloc(sizeof *v);
        require(v != NULL, "malloc refused\n");
        *v = (struct value){k, 0, {stamped_new(24), stamped_new(600), stamped_new(9000), stamped_new(70000)}, given[k]};
        require(pthread_setspecific(keys[k], v) == 0, "pthread_setspecific\n");
    }
    require(objects_touch_1() + objects_touch_2() + objects_touch_3() == 180, "the libraries' objects\n");
    require(strerror(12345) != NULL && dlopen("/no/such/object", RTLD_NOW) == NULL && dlerror() != NULL, "libc's buffers\n");
    dlopen("/no/such/object/either", RTLD_NOW); /* an error that nobody asks for */
    return NULL;
}

int main(int argc, char **argv)
{
    long nthreads = argc > 1 ? atol(argv[1]) : scaled(4000), nrun = 0;
    size_t resident = 0;
    watchdog(280);
    for (int k = 0; k < NKEYS; k++) require(pthread_key_create(&keys[k], destroy) == 0, "pthread_key_create\n");
    for (; nrun < nthreads; nrun += BATCH) {
        pthread_t threads[BATCH];
        static void *given[BATCH][NKEYS];
        for (int i = 0; i < BATCH; i++) {
            for (int k = 0; k < NKEYS; k++) given[i][k] = stamped_new(16 + 50 * (size_t)k);
            require(pthread_create(&threads[i], NULL, live, given[i]) == 0, "pthread_create\n");
        }
        for (int i = 0; i < BATCH; i++) pthread_join(threads[i], NULL);
        if (nrun <= nthreads / 4) resident = resident_nbytes();
    }
    require(nlast == nrun * NKEYS / 2, "%ld destructors in the last round, not %ld\n", nlast, nrun * NKEYS / 2);
    /* a thread holds 3 MiB, all eight 25: those of ten that leaked, or of one batch more */
    require_resident(resident, 32 << 20, "after the last thread");
    require_sound("after the last thread");
    return 0;
}
