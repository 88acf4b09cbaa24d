/*
 * What one thread allocates another can free, for ever, in bounded memory.
 *
 * Two producers, two consumers and a queue of 1,024 places under a mutex: every block is freed by a thread that did not allocate
 * it. From the first tenth of the blocks on, resident memory may not grow by more than 16 MiB (the queue holds about 1 MiB).
 */
#include "stress.h"

#include <pthread.h>

enum { NPAIRS = 2, NPLACES = 1024, NBLOCKS = 4000000, GROWN_MAX = 16 << 20 };

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t not_empty, not_full;
    size_t nqueued, nput;
    void *places[NPLACES];
} queue = {.mutex = PTHREAD_MUTEX_INITIALIZER, .not_empty = PTHREAD_COND_INITIALIZER, .not_full = PTHREAD_COND_INITIALIZER};
static long blocks_each;
static size_t warm_resident;

static void queue_put(void *block)
{
    pthread_mutex_lock(&queue.mutex);
    while (queue.nqueued == NPLACES) pthread_cond_wait(&queue.not_full, &queue.mutex);
    queue.places[queue.nqueued++] = block;
    if (++queue.nput == (size_t)blocks_each * NPAIRS / 10) warm_resident = resident_nbytes();
    pthread_cond_signal(&queue.not_empty);
    pthread_mutex_unlock(&queue.mutex);
}

/* Last in, first out, with old ones left lying: blocks live for very different times. */
static void *queue_take(void)
{
    pthread_mutex_lock(&queue.mutex);
    while (queue.nqueued == 0) pthread_cond_wait(&queue.not_empty, &queue.mutex);
    void *block = queue.places[--queue.nqueued];
    pthread_cond_signal(&queue.not_full);
    pthread_mutex_unlock(&queue.mutex);
    return block;
}

static void *produce(void *arg)
{
    uint64_t random = *(uint64_t *)arg;
    for (long i = 0; i < blocks_each; i++) queue_put(stamped_new(size_random(&random)));
    return NULL;
}

static void *consume(void *arg)
{
    (void)arg;
    for (long i = 0; i < blocks_each; i++) stamped_free(queue_take());
    return NULL;
}

int main(int argc, char **argv)
{
    uint64_t random = seed_choose("producer_and_consumer", argc > 1 ? argv[1] : NULL), seeds[NPAIRS];
    pthread_t threads[2 * NPAIRS];
    watchdog(280);
    blocks_each = scaled(NBLOCKS) / NPAIRS + 10;
    for (int i = 0; i < NPAIRS; i++) {
        seeds[i] = random_next(&random);
        require(pthread_create(&threads[2 * i], NULL, produce, &seeds[i]) == 0, "pthread_create\n");
        require(pthread_create(&threads[2 * i + 1], NULL, consume, NULL) == 0, "pthread_create\n");
    }
    for (int i = 0; i < 2 * NPAIRS; i++) pthread_join(threads[i], NULL);
    require_resident(warm_resident, GROWN_MAX, "after the last block");
    require_sound("after the last block");
    return 0;
}
