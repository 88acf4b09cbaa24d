/*
 * mspace_verify beside threads that allocate comes to an end, and so do they: what it says then means nothing, but it does not
 * follow a list that changes under it for ever, with everybody waiting for its lock.
 */
#include "stress.h"

#include <fcntl.h>
#include <pthread.h>

enum { NTHREADS = 2, NVERIFIES = 10000, NBLOCKS = 20000, SIZE = 8192, LARGE_EVERY = 1000 };

static bool is_over;

static void *churn(void *argument)
{
    uint64_t random = (uintptr_t)argument;
    void **blocks = api_calloc(NBLOCKS, sizeof *blocks);
    for (unsigned n = 0; !__atomic_load_n(&is_over, __ATOMIC_RELAXED); n++) {
        void **place = &blocks[random_below(&random, NBLOCKS)];
        if (*place) api_free(*place), *place = NULL;
        else *place = api_malloc(SIZE);
        if (n % LARGE_EVERY == 0) api_free(api_malloc(40000)); /* waits for the verifier */
    }
    for (int i = 0; i < NBLOCKS; i++) api_free(blocks[i]);
    api_free(blocks);
    return NULL;
}

int main(void)
{
    pthread_t threads[NTHREADS];
    watchdog(280);
    for (uintptr_t i = 0; i < NTHREADS; i++)
        require(pthread_create(&threads[i], NULL, churn, (void *)(i + 1)) == 0, "pthread_create\n");
    usleep(300000); /* until there are spans of all kinds */
    int errors = dup(STDERR_FILENO), nothing = open("/dev/null", O_WRONLY);
    dup2(nothing, STDERR_FILENO);
    for (long n = scaled(NVERIFIES); n--;) api_verify();
    dup2(errors, STDERR_FILENO);
    __atomic_store_n(&is_over, true, __ATOMIC_RELAXED);
    for (int i = 0; i < NTHREADS; i++) pthread_join(threads[i], NULL);
    require_sound("after the last look");
    return 0;
}
