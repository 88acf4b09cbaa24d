/* looked_at.c: for debuggers and checkers to look into: two threads that allocate small blocks and large, for a second or until
 * SIGUSR1. Or it does three things wrong: a byte read that nobody wrote, a block lost, another freed twice.
 *
 *   looked_at [SECONDS | alone | sick | core] */
#include "api.h"
#include "support.h"

#include <pthread.h>
#include <stdatomic.h>

static atomic_bool is_over;
static atomic_long nrounds[2];

static void *work(void *argument)
{
    long id = (intptr_t)argument;
    uint64_t state = (uint64_t)id;
    char *blocks[64] = {NULL};
    while (!atomic_load(&is_over)) {
        unsigned k = random_below(&state, 64);
        size_t size = random_below(&state, 8) ? random_below(&state, 4000) + 1 : (size_t)random_below(&state, 3000000) + 1;
        free(blocks[k]);
        blocks[k] = malloc(size);
        require(blocks[k] != NULL, "malloc: NULL\n");
        blocks[k][0] = blocks[k][size - 1] = (char)k;
        atomic_fetch_add(&nrounds[id], 1);
    }
    for (int k = 0; k < 64; k++) free(blocks[k]);
    return NULL;
}

static void wake(int sig) { (void)sig; }

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "1";
    char *p = malloc(opaque(100));
    memset(p, 0, 100);
    free(realloc(calloc(10, 10), 5000));
    for (size_t size = 1; size < 300; size++) free(malloc(size)); /* this thread has blocks of its own */
    if (strcmp(how, "sick") == 0) {
        char *volatile again = p, *raw = malloc(opaque(100));
        say(raw[5] ? "a\n" : "b\n");
        raw = NULL;
        free(p);
        free(again);
    } else if (strcmp(how, "core") == 0) {
        enum { NBLOCKS = 1000 };
        for (int i = 0; i < NBLOCKS; i++) memset(malloc(1000), 1, 1000);
        for (int i = 0; i < 40; i++) memset(malloc(1 << 20), 1, 1 << 20);
        for (int i = 0; i < 40; i++) ((char *)malloc(8 << 20))[0] = 1; /* of large ones only the first page */
        say("resident %zu\n", resident_nbytes());
        raise(SIGSEGV);
    } else if (strcmp(how, "alone") != 0) {
        pthread_t threads[2];
        free(p);
        for (intptr_t i = 0; i < 2; i++) require(pthread_create(&threads[i], NULL, work, (void *)i) == 0, "no thread\n");
        signal(SIGUSR1, wake);
        usleep((useconds_t)(strtod(how, NULL) * 1e6));
        /* a busy machine, or a slow tracer */
        while (atomic_load(&nrounds[0]) == 0 || atomic_load(&nrounds[1]) == 0) usleep(1000);
        atomic_store(&is_over, true);
        for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    }
    require(api_verify() == 0, "broken laws\n");
    say("went well\n");
    return 0;
}
