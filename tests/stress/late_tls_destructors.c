/*
 * A thread may allocate and free to its very end: in the destructors of its keys, in all four rounds of them, before and after
 * ours.
 *
 * 60 keys (more than the 32 whose values glibc keeps in the thread itself: the rest it callocs, and frees after the last round).
 * Each destructor checks and frees its value, allocates a new one and sets it again, three times; then two more blocks and out.
 * Four C++-like destructors (__cxa_thread_atexit_impl, which C++ thread_local uses) do the same first. 1,000 threads, eight at a
 * time.
 */
#include "stress.h"

#include <limits.h>
#include <pthread.h>

enum { NKEYS = 60, NCXX = 4, BATCH = 8, NTHREADS = 1000 };

extern int __cxa_thread_atexit_impl(void (*destroy)(void *), void *object, void *dso);
extern void *__dso_handle;

/* The value of a key: which key, and how often its destructor has seen it. Stamped blocks hold their size first. */
struct value {
    size_t size;
    int key, round;
};

static pthread_key_t keys[NKEYS];
static long ndestroyed; /* calls of the keys' destructors, over all threads */

/* A stamped block whose stamp begins after the value. */
static struct value *value_new(int key, int round)
{
    size_t size = sizeof(struct value) + 16 * (size_t)key + (size_t)round;
    struct value *v = api_malloc(size);
    require(v != NULL, "malloc refused in a destructor\n");
    memset(v, 0x60 + key, size);
    *v = (struct value){size, key, round};
    return v;
}

static void value_free(struct value *v)
{
    const unsigned char *bytes = (const unsigned char *)v;
    for (size_t i = sizeof *v; i < v->size; i++) require(bytes[i] == 0x60 + v->key, "a key's value was damaged\n");
    api_free(v);
}

static void destroy(void *arg)
{
    struct value *v = arg;
    int key = v->key, round = v->round + 1;
    __atomic_fetch_add(&ndestroyed, 1, __ATOMIC_RELAXED);
    void *before = stamped_new(40), *other = api_calloc(3, 100 + (size_t)key);
    value_free(v);
    stamped_free(before);
    other = api_realloc(other, 1000);
    api_free(other);
    if (round < PTHREAD_DESTRUCTOR_ITERATIONS) pthread_setspecific(keys[key], value_new(key, round));
}

static void destroy_like_cxx(void *object)
{
    void *block = stamped_new(5000);
    stamped_free(object);
    stamped_free(block);
}

static void *live(void *arg)
{
    (void)arg;
    for (int i = 0; i < NCXX; i++) __cxa_thread_atexit_impl(destroy_like_cxx, stamped_new(64 + 8 * (size_t)i), &__dso_handle);
    for (int i = 0; i < NKEYS; i++) pthread_setspecific(keys[i], value_new(i, 0));
    return NULL;
}

int main(void)
{
    long nthreads = scaled(NTHREADS) / BATCH * BATCH;
    if (nthreads < BATCH) nthreads = BATCH;
    pthread_t threads[BATCH];
    watchdog(280);
    for (int i = 0; i < NKEYS; i++) require(pthread_key_create(&keys[i], destroy) == 0, "pthread_key_create\n");
    for (long done = 0; done < nthreads; done += BATCH) {
        for (int i = 0; i < BATCH; i++) require(pthread_create(&threads[i], NULL, live, NULL) == 0, "pthread_create\n");
        for (int i = 0; i < BATCH; i++) pthread_join(threads[i], NULL);
    }
    long expected = nthreads * NKEYS * PTHREAD_DESTRUCTOR_ITERATIONS;
    require(ndestroyed == expected, "%ld destructors ran, not %ld\n", ndestroyed, expected);
    require_sound("after the last thread");
    return 0;
}
