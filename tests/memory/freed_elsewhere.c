/*
 * A producer and a thread that does nothing but free: memory is where it was after the first twelfth of the time.
 *
 *     freed_elsewhere [seconds = 60 at full size]
 * Blocks of 16 bytes to 8 KiB. The freer keeps 8,192 blocks behind, and at most 512 more, so that what is in flight depends on
 * nobody's schedule: some 6 MiB.
 */
#include "memory.h"

#include <pthread.h>
#include <sched.h>

enum { NPLACES = 16384, LAG = 8192, SLACK = 512, SAMPLE = 1 << 16 };

static void *ring[NPLACES];
static long nmade, nfreed; /* blocks, ever; atomic */
static bool is_over;

static void *free_all(void *arg)
{
    for (long i = 0;; i++) {
        while (__atomic_load_n(&nmade, __ATOMIC_ACQUIRE) - i <= LAG) {
            if (__atomic_load_n(&is_over, __ATOMIC_ACQUIRE)) return arg;
            sched_yield();
        }
        api_free(ring[i % NPLACES]);
        __atomic_store_n(&nfreed, i + 1, __ATOMIC_RELEASE);
    }
}

int main(int argc, char **argv)
{
    uint64_t random = 1, duration = (uint64_t)(argc > 1 ? strtol(argv[1], NULL, 10) : scaled(60)) * 1000000000u;
    size_t early = 0, late = 0;
    long nblocks = 0;
    pthread_t thread;
    watchdog(280);
    require(pthread_create(&thread, NULL, free_all, NULL) == 0, "pthread_create\n");
    for (uint64_t start = now_ns(), past = 0; past < duration; nblocks++) {
        size_t size = 16 + random_below(&random, random_below(&random, 16) ? 1009 : 8177);
        void *block = api_malloc(size);
        require(block != NULL, "malloc(%zu)\n", size);
        memset(block, 1, size);
        while (nblocks - __atomic_load_n(&nfreed, __ATOMIC_ACQUIRE) >= LAG + SLACK) sched_yield();
        ring[nblocks % NPLACES] = block;
        __atomic_store_n(&nmade, nblocks + 1, __ATOMIC_RELEASE);
        if (nblocks % SAMPLE) continue;
        past = now_ns() - start;
        late = anonymous_nbytes();
        if (past < duration / 12 || !early) early = late > early ? late : early;
    }
    __atomic_store_n(&is_over, true, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
    say("%ld blocks; %zu KiB at most in the first twelfth, %zu KiB at the end\n", nblocks, early >> 10, late >> 10);
    require_at_most(1.1, (double)late / (double)early, "at the end / in the first twelfth");
    return 0;
}
