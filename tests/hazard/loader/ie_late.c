/* ie_late.c: a program that has opened 12 libraries with initial-exec thread-local storage, which share a small reserve of the
 * loader's, opens the library too: there is room, and its pair of functions serves; malloc remains whose it was, and each takes
 * back what it gave.
 *
 *   ie_late LIBRARY FOLDER        with ie1.so ... in it */
#include "support.h"

#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>

enum { NOPENED = 12, NBLOCKS = 1000 };

static void *(*their_malloc)(size_t);
static void (*their_free)(void *);

static void *work(void *unused)
{
    char *blocks[NBLOCKS], *own[NBLOCKS];
    for (size_t i = 0; i < NBLOCKS; i++) {
        own[i] = malloc(i * 11 % 5000 + 1);
        blocks[i] = their_malloc(i * 7 % 3000 + 1);
        require(own[i] && blocks[i], "block %zu: NULL\n", i);
        memset(own[i], 1, i * 11 % 5000 + 1);
        memset(blocks[i], 2, i * 7 % 3000 + 1);
    }
    for (size_t i = 0; i < NBLOCKS; i++) {
        require(own[i][i * 11 % 5000] == 1 && blocks[i][i * 7 % 3000] == 2, "block %zu was written to\n", i);
        free(own[i]);
        their_free(blocks[i]);
    }
    return unused;
}

int main(int argc, char **argv)
{
    pthread_t threads[4];
    watchdog(60);
    require(argc == 3, "usage: ie_late LIBRARY FOLDER\n");
    for (int i = 1; i <= NOPENED; i++) {
        char path[4200];
        snprintf(path, sizeof path, "%s/ie%d.so", argv[2], i);
        require(dlopen(path, RTLD_NOW) != NULL, "dlopen: %s\n", dlerror());
    }
    void *library = dlopen(argv[1], RTLD_NOW);
    require(library != NULL, "dlopen: %s\n", dlerror());
    static const char *const PAIRS[][2] = {{"mspacec", "mspacer"}, {"malloc", "free"}};
    for (int pair = 0; pair < 2; pair++) {
        *(void **)&their_malloc = dlsym(library, PAIRS[pair][0]);
        *(void **)&their_free = dlsym(library, PAIRS[pair][1]);
        if (!their_malloc || !their_free) continue; /* the first pair is libmspace's only */
        work(NULL);
        for (int i = 0; i < 4; i++) require(pthread_create(&threads[i], NULL, work, NULL) == 0, "no thread\n");
        for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    }
    void *p = malloc(100);
    require(malloc_usable_size(p) >= 100, "malloc_usable_size of the program's own block\n");
    free(p);
    say("opened and used\n");
    return 0;
}
