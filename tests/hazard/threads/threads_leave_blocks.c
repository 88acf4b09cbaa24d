/*
 * Short-lived threads each leave live blocks, which the main thread frees later: what the process holds stays under twice what is
 * live.
 *
 *     threads_leave_blocks [threads = 20000 at full size]
 * Eight threads at a time, each of which allocates 200 blocks, some 70 KiB, frees every other one and leaves. The main thread
 * frees what is 400 threads old: 400 times 100 blocks, some 16 MiB, are always live. The constant is what nine heaps may hold in
 * spans that are in use in part: of some 50 classes one each of 64 KiB, 28 MiB, rarely all at once.
 */
#include "../../memory/memory.h"
#include "../../stress/stress.h"

#include <pthread.h>

enum { BATCH = 8, NBLOCKS = 200, NBATCHES_LIVE = 50, CONSTANT = 28 << 20 };

struct visit {
    uint64_t random;
    size_t live;
    void *left[NBLOCKS / 2];
};

static void *visit(void *argument)
{
    struct visit *v = argument;
    void *gone[NBLOCKS / 2];
    v->live = 0;
    for (int i = 0; i < NBLOCKS / 2; i++) {
        size_t size = 16 + random_below(&v->random, random_below(&v->random, 32) ? 500 : 8000);
        gone[i] = stamped_new(size);
        v->left[i] = stamped_new(size);
        v->live += size;
    }
    for (int i = 0; i < NBLOCKS / 2; i++) stamped_free(gone[i]);
    return NULL;
}

int main(int argc, char **argv)
{
    long nbatches = (argc > 1 ? atol(argv[1]) : scaled(20000)) / BATCH;
    uint64_t random = seed_choose("threads_leave_blocks", NULL);
    struct visit *visits = map_zeroed(NBATCHES_LIVE * BATCH * sizeof *visits);
    size_t base = anonymous_nbytes(), live = 0, most_live = 0, most_held = 0;
    watchdog(280);
    for (long n = 0; n < nbatches; n++) {
        struct visit *batch = visits + n % NBATCHES_LIVE * BATCH;
        pthread_t threads[BATCH];
        for (int i = 0; i < BATCH; i++) {
            live -= batch[i].live;
            for (int k = 0; k < NBLOCKS / 2; k++) stamped_free(batch[i].left[k]);
            batch[i].random = random_next(&random);
        }
        for (int i = 0; i < BATCH; i++) require(pthread_create(&threads[i], NULL, visit, &batch[i]) == 0, "pthread_create\n");
        for (int i = 0; i < BATCH; i++) {
            pthread_join(threads[i], NULL);
            live += batch[i].live;
        }
        if (live > most_live) most_live = live;
        size_t held = n % 16 == 0 ? anonymous_nbytes() - base : 0;
        if (held > most_held) most_held = held;
    }
    say("live at most %zu KiB, held at most %zu KiB\n", most_live >> 10, most_held >> 10);
    require_at_most(2 * most_live + CONSTANT, most_held, "bytes held");
    require_sound("at the end");
    return 0;
}
