/* partner.h: a second thread that works when it is told to, and what makes two share their objects. PARTNER_NEW and PARTNER_FREE
 * may be another malloc's. */
#ifndef TESTS_SUPPORT_PARTNER_H
#define TESTS_SUPPORT_PARTNER_H

#include "support.h"

#include <pthread.h>

#ifndef PARTNER_NEW
#define PARTNER_NEW malloc
#define PARTNER_FREE free
#endif

static struct {
    pthread_t thread;
    pthread_barrier_t turn;
    void (*work)(void);
    bool is_there;
} partner;

static inline void *partner_run(void *nothing)
{
    for (;;) {
        pthread_barrier_wait(&partner.turn);
        if (!partner.work) return nothing;
        partner.work();
        pthread_barrier_wait(&partner.turn);
    }
}

/* Has the partner do it, and waits until it is done. */
static inline void partner_does(void (*work)(void))
{
    if (!partner.is_there) {
        pthread_barrier_init(&partner.turn, NULL, 2);
        require(pthread_create(&partner.thread, NULL, partner_run, NULL) == 0, "no thread\n");
        partner.is_there = true;
    }
    partner.work = work;
    pthread_barrier_wait(&partner.turn);
    pthread_barrier_wait(&partner.turn);
}

static inline void partner_ends(void)
{
    partner.work = NULL;
    pthread_barrier_wait(&partner.turn);
    pthread_join(partner.thread, NULL);
    partner.is_there = false;
}

enum { PARTNER_NBLOCKS = 1000 };
static void *partner_blocks[PARTNER_NBLOCKS];
static size_t partner_size;

static inline void partner_allocates(void)
{
    for (int i = 0; i < PARTNER_NBLOCKS; i++) require((partner_blocks[i] = PARTNER_NEW(partner_size)) != NULL, "out of memory\n");
}

static inline void partner_frees(void)
{
    for (int i = 0; i < PARTNER_NBLOCKS; i++) PARTNER_FREE(partner_blocks[i]);
}

/* One at a time: who frees many in a row keeps none. */
static inline void partner_frees_in_turn(void)
{
    for (int i = 0; i < PARTNER_NBLOCKS; i++) {
        void *own = PARTNER_NEW(partner_size);
        require(own != NULL, "out of memory\n");
        PARTNER_FREE(partner_blocks[i]);
        PARTNER_FREE(own);
    }
}

/* Until all that either of them frees has long been the other's: 400,000 blocks each, six times what it takes (OF_LATE in
 * src/heap/refill.c). */
static inline void partner_shares(size_t size)
{
    partner_size = size;
    for (int round = 0; round < 200; round++) {
        partner_does(partner_allocates);
        partner_frees_in_turn();
        partner_allocates();
        partner_does(partner_frees_in_turn);
    }
}

#endif
