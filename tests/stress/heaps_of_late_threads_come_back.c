/*
 * A thread that comes to the allocator only at its very end takes no memory with it.
 *
 * Thousands of threads that allocate nothing: the destructor of a key of theirs frees what the main thread has made; or
 * allocates, when our own destructor has had its first turn, or in the second of the four rounds of destructors; or they are
 * detached, and libc frees other threads' stacks on them after the last destructor. From the first tenth on, resident memory may
 * not grow by a page a thread.
 *     heaps_of_late_threads_come_back frees | allocates | allocates_late | detached
 */
#include "stress.h"

#include <pthread.h>
#include <semaphore.h>

enum { NTHREADS = 20000, BATCH = 50, GROWN_MAX = 2 << 20 };

static pthread_key_t key;
static sem_t go;

static void allocate(void *value) { stamped_free(stamped_new(100)), stamped_free(value); }

static void allocate_late(void *value)
{
    static __thread bool is_late;
    if (is_late) return allocate(value);
    is_late = true;
    pthread_setspecific(key, value);
}

static void *set_value(void *value)
{
    pthread_setspecific(key, value);
    return NULL;
}

static void *wait_for_all(void *nothing)
{
    while (sem_wait(&go) != 0) {}
    return nothing;
}

static void run_joined(void)
{
    pthread_t thread;
    require(pthread_create(&thread, NULL, set_value, stamped_new(64)) == 0, "pthread_create\n");
    pthread_join(thread, NULL);
}

/* More at a time than libc keeps stacks of. */
static void run_detached(void)
{
    pthread_t thread;
    for (int i = 0; i < BATCH; i++) {
        require(pthread_create(&thread, NULL, wait_for_all, NULL) == 0, "pthread_create\n");
        pthread_detach(thread);
    }
    for (int i = 0; i < BATCH; i++) sem_post(&go);
    usleep(5000);
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "frees";
    bool is_detached = strcmp(how, "detached") == 0;
    size_t before = 0;
    long n = scaled(NTHREADS) / BATCH, step = is_detached ? 1 : BATCH;
    watchdog(280);
    sem_init(&go, 0, 0);
    void (*destructor)(void *) = strcmp(how, "allocates") == 0        ? allocate
                                 : strcmp(how, "allocates_late") == 0 ? allocate_late
                                                                      : stamped_free;
    require(pthread_key_create(&key, destructor) == 0, "pthread_key_create\n");
    for (long i = 0; i < n; i++) {
        for (long k = 0; k < step; k++) is_detached ? run_detached() : run_joined();
        if (i == n / 10) before = resident_nbytes();
    }
    require_resident(before, GROWN_MAX, how);
    require_sound(how);
    return 0;
}
