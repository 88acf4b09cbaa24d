/*
 * A pipeline: one thread allocates, a second uses what it gets and passes on something else, a third frees: it holds what is on
 * the way, however long it runs.
 *
 *     passed_on [blocks = 100000]
 * For each block that the second gets it allocates one of another size to pass on, and 1, 2 or 3 of the same for a moment, and so
 * frees more of that size than it uses. Whatever it does after so many frees happens always at the same place of such a round: so
 * half-way one block more is freed, and it is another place from then on.
 */
#include "memory.h"

#include <pthread.h>
#include <sched.h>

enum { NPLACES = 256, AT_MOST = 2048 << 10 };

static struct ring {
    void *blocks[NPLACES];
    long nput, ntaken; /* ever; atomic */
} made, passed;
static long nblocks;
static size_t size;
static int nmoments;

static void put(struct ring *ring, void *block)
{
    require(block != NULL, "out of memory\n");
    while (ring->nput - __atomic_load_n(&ring->ntaken, __ATOMIC_ACQUIRE) == NPLACES) sched_yield();
    ring->blocks[ring->nput % NPLACES] = block;
    __atomic_store_n(&ring->nput, ring->nput + 1, __ATOMIC_RELEASE);
}

static void *take(struct ring *ring)
{
    while (__atomic_load_n(&ring->nput, __ATOMIC_ACQUIRE) == ring->ntaken) sched_yield();
    void *block = ring->blocks[ring->ntaken % NPLACES];
    __atomic_store_n(&ring->ntaken, ring->ntaken + 1, __ATOMIC_RELEASE);
    return block;
}

static void *pass_on(void *arg)
{
    for (long i = 0; i < nblocks; i++) {
        void *block = take(&made), *for_a_moment[3];
        for (int k = 0; k < nmoments; k++) for_a_moment[k] = api_malloc(size);
        put(&passed, memset(api_malloc(2 * size), 1, 2 * size));
        for (int k = 0; k < nmoments; k++) api_free(for_a_moment[k]);
        api_free(block);
        if (i == nblocks / 2) api_free(api_malloc(size));
    }
    return arg;
}

static void *free_all(void *arg)
{
    for (long i = 0; i < nblocks; i++) api_free(take(&passed));
    return arg;
}

/* Returns the most that is held meanwhile. */
static size_t run(void)
{
    pthread_t threads[2];
    size_t most = 0;
    require(pthread_create(&threads[0], NULL, pass_on, NULL) == 0 && pthread_create(&threads[1], NULL, free_all, NULL) == 0,
            "pthread_create\n");
    for (long i = 0; i < nblocks; i++) {
        put(&made, memset(api_malloc(size), 1, size));
        if (i % (nblocks / 32) == 0 && anonymous_nbytes() > most) most = anonymous_nbytes();
    }
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    return most;
}

int main(int argc, char **argv)
{
    nblocks = argc > 1 ? strtol(argv[1], NULL, 10) : 100000;
    watchdog(120);
    size_t before = anonymous_nbytes();
    for (size = 64; size <= 800; size += 736)
        for (nmoments = 1; nmoments <= 3; nmoments++) {
            say("%zu bytes, %d for a moment: ", size, nmoments);
            require_at_most(AT_MOST >> 10, (run() - before) >> 10, "KiB at most");
        }
    return 0;
}
