/*
 * Threads that come and go one after another hold no more than one does.
 *
 *     threads_in_turn [threads = 10000 at full size]
 * Each allocates 200 blocks of mixed sizes, of one of 16 draws, frees them and exits. From the first hundredth on, when each draw
 * has had its turn, memory may grow by 256 KiB.
 */
#include "memory.h"

#include <pthread.h>

enum { NBLOCKS = 200, NDRAWS = 16, GROWN_MAX = 256 };

static void *thread(void *arg)
{
    uint64_t random = (uintptr_t)arg;
    void *block[NBLOCKS];
    for (int i = 0; i < NBLOCKS; i++) {
        size_t size = 16 + random_below(&random, random_below(&random, 8) ? 1009 : 16369);
        block[i] = api_malloc(size);
        require(block[i] != NULL, "malloc(%zu)\n", size);
        memset(block[i], 1, size);
    }
    for (int i = 0; i < NBLOCKS; i++) api_free(block[i]);
    return NULL;
}

int main(int argc, char **argv)
{
    long n = argc > 1 ? strtol(argv[1], NULL, 10) : scaled(10000);
    size_t before = 0;
    watchdog(280);
    for (long i = 0; i < n; i++) {
        pthread_t one;
        if (i == (n / 100 > NDRAWS ? n / 100 : NDRAWS)) before = anonymous_nbytes();
        require(pthread_create(&one, NULL, thread, (void *)(uintptr_t)(i % NDRAWS)) == 0, "pthread_create\n");
        pthread_join(one, NULL);
    }
    size_t after = anonymous_nbytes();
    require_at_most(GROWN_MAX, after > before ? (after - before) >> 10 : 0, "KiB that the later threads added");
    return 0;
}
