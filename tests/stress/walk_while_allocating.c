/*
 * A walk beside threads that allocate ends, in order, whatever becomes of the spans under it; and what nobody touches it sees as
 * it is.
 *
 * Eight threads get many blocks of one size, free them all, and go on with the next size, so that spans are made, given up and
 * made again for other classes all the time. The main thread walks 2,000 times at full size, and has blocks that stay.
 */
#include "../../include/mspace.h"
#include "stress.h"

#include <pthread.h>

enum { NTHREADS = 8, NWALKS = 2000, NBLOCKS = 3000, NBYTES = 1 << 20, NSTAYING = 1000, STAYING = 500 };

extern int mspace_walk(mspace_visitor *visit, void *argument) API_EXTRA;

static bool is_over;
static void *staying[NSTAYING]; /* ascending */

static void *fill_and_empty(void *arg)
{
    uint64_t random = (uintptr_t)arg;
    void *blocks[NBLOCKS];
    while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED)) {
        size_t size = size_random(&random);
        long n = (long)(NBYTES / size < NBLOCKS ? NBYTES / size : NBLOCKS);
        for (long i = 0; i < n; i++) blocks[i] = stamped_new(size);
        for (long i = 0; i < n; i++) stamped_free(blocks[i]);
        if (random_below(&random, 64) == 0) api_trim(0);
    }
    return NULL;
}

struct view {
    char *span, *end_of_span, *end_of_block;
    int nstaying; /* seen */
};

static int look(const struct mspace_item *item, void *argument)
{
    struct view *view = argument;
    char *address = item->address;
    require(item->size > 0, "an item of no size at %p\n", item->address);
    if (item->kind == MSPACE_SPAN) {
        require(address >= view->end_of_span, "a span at %p, behind one that ends at %p\n", item->address,
                (void *)view->end_of_span);
        view->end_of_span = address + item->size;
        view->span = address;
        view->end_of_block = NULL;
        return 0;
    }
    if (view->end_of_block)
        require(address == view->end_of_block, "a block at %p, behind one that ends at %p\n", item->address,
                (void *)view->end_of_block);
    else
        require((size_t)(address - view->span) < item->size, "the first block at %p, of a span at %p\n", item->address,
                (void *)view->span);
    view->end_of_block = address + item->size;
    require(view->end_of_block <= view->end_of_span, "a block at %p ends outside its span\n", item->address);
    if (view->nstaying == NSTAYING || address != staying[view->nstaying]) return 0;
    view->nstaying++;
    require(item->state == MSPACE_LIVE, "the block at %p is in use, and is seen in state %d\n", item->address, item->state);
    return 0;
}

static int by_address(const void *a, const void *b)
{
    char *left = *(char *const *)a, *right = *(char *const *)b;
    return (left > right) - (left < right);
}

int main(int argc, char **argv)
{
    uint64_t random = seed_choose("walk_while_allocating", argc > 1 ? argv[1] : NULL);
    pthread_t threads[NTHREADS];
    watchdog(280);
    for (int i = 0; i < NSTAYING; i++) stamped_new(STAYING); /* the first few of a heap are in spans that it shares */
    for (int i = 0; i < NSTAYING; i++) staying[i] = stamped_new(STAYING);
    qsort(staying, NSTAYING, sizeof *staying, by_address);
    for (int i = 0; i < NTHREADS; i++) {
        void *seed = (void *)(uintptr_t)random_next(&random);
        require(pthread_create(&threads[i], NULL, fill_and_empty, seed) == 0, "pthread_create\n");
    }
    for (long n = scaled(NWALKS); n--;) {
        struct view view = {.end_of_span = NULL};
        int stop = mspace_walk(look, &view);
        require(stop == 0, "a walk gives %d\n", stop);
        require(view.nstaying == NSTAYING, "%d of %d blocks are seen\n", view.nstaying, NSTAYING);
    }
    __atomic_store_n(&is_over, true, __ATOMIC_RELAXED);
    for (int i = 0; i < NTHREADS; i++) pthread_join(threads[i], NULL);
    require_sound("after the last walk");
    return 0;
}
