/*
 * Blocks of a thread that is gone can be freed by several threads at once, while a new thread inherits its heap.
 *
 * Each of 2,000 rounds: a thread allocates 999 blocks and exits. Then, at the same time, one thread frees a third of them, the
 * main thread another, and a fresh thread, which may well have been given the dead one's heap, allocates, frees, and frees the
 * last third.
 */
#include "stress.h"

#include <pthread.h>

enum { NBLOCKS = 999, NROUNDS = 2000 };

struct estate {
    uint64_t random;
    void *blocks[NBLOCKS];
};

static void *bequeath(void *arg)
{
    struct estate *e = arg;
    for (int i = 0; i < NBLOCKS; i++) e->blocks[i] = stamped_new(size_random(&e->random));
    return NULL;
}

static void free_third(struct estate *e, int third)
{
    for (int i = third; i < NBLOCKS; i += 3) stamped_free(e->blocks[i]);
}

static void *free_first_third(void *arg)
{
    free_third(arg, 0);
    return NULL;
}

static void *inherit(void *arg)
{
    struct estate *e = arg;
    uint64_t random = e->random;
    void *own[64] = {NULL};
    for (int i = 0; i < NBLOCKS; i++) {
        void **place = &own[i % 64];
        stamped_free(*place);
        *place = stamped_new(size_random(&random));
        if (i % 3 == 1) stamped_free(e->blocks[i]);
    }
    for (int i = 0; i < 64; i++) stamped_free(own[i]);
    return NULL;
}

static void round_run(struct estate *e)
{
    pthread_t dead, other, heir;
    require(pthread_create(&dead, NULL, bequeath, e) == 0, "pthread_create\n");
    pthread_join(dead, NULL);
    require(pthread_create(&other, NULL, free_first_third, e) == 0, "pthread_create\n");
    require(pthread_create(&heir, NULL, inherit, e) == 0, "pthread_create\n");
    free_third(e, 2);
    pthread_join(other, NULL);
    pthread_join(heir, NULL);
}

int main(int argc, char **argv)
{
    struct estate *e = map_zeroed(sizeof *e);
    e->random = seed_choose("free_into_exited_threads", argc > 1 ? argv[1] : NULL);
    long nrounds = scaled(NROUNDS);
    size_t resident = 0;
    watchdog(280);
    for (long i = 0; i < nrounds; i++) {
        round_run(e);
        if (i % 64 == 0) require_sound("between rounds");
        if (i == nrounds / 4) resident = resident_nbytes();
    }
    require_resident(resident, 16 << 20, "after the last round");
    require_sound("after the last round");
    return 0;
}
