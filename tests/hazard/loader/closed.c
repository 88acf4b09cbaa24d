/* closed.c: the library opened and closed a thousand times while eight threads hold blocks of it, and keep something of its in
 * each thread; they free and exit when it has long been closed.
 *
 *   closed LIBRARY */
#include "support.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>

enum { NTHREADS = 8, NCLOSED = 1000, NBLOCKS = 100 };

static const char *library;
static atomic_bool is_closed;

static void *work(void *argument)
{
    void *blocks[NBLOCKS], *(*take)(size_t) = NULL;
    void (*give)(void *) = NULL;
    for (int i = 0; i < NCLOSED / NTHREADS; i++) {
        void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
        require(handle != NULL, "dlopen: %s\n", dlerror());
        *(void **)&take = dlsym(handle, "malloc");
        *(void **)&give = dlsym(handle, "free");
        require(take && give, "dlsym\n");
        for (int j = 0; j < NBLOCKS; j++) {
            blocks[j] = take((size_t)j * 50 + 1);
            require(blocks[j] != NULL, "NULL\n");
            memset(blocks[j], 1, (size_t)j * 50 + 1);
        }
        if (i < NCLOSED / NTHREADS - 1)
            for (int j = 0; j < NBLOCKS; j++) give(blocks[j]);
        require(dlclose(handle) == 0, "dlclose: %s\n", dlerror());
    }
    while (!atomic_load(&is_closed)) usleep(1000);
    for (int j = 0; j < NBLOCKS; j++) give(blocks[j]);
    return argument;
}

int main(int argc, char **argv)
{
    pthread_t threads[NTHREADS];
    watchdog(60);
    require(argc == 2, "usage: closed LIBRARY\n");
    library = argv[1];
    for (int i = 0; i < NTHREADS; i++) require(pthread_create(&threads[i], NULL, work, NULL) == 0, "no thread\n");
    usleep(100000);
    for (int i = 0; i < 5; i++) {
        void *handle = dlopen(library, RTLD_NOW);
        require(handle && dlclose(handle) == 0, "dlopen, dlclose\n");
    }
    atomic_store(&is_closed, true);
    for (int i = 0; i < NTHREADS; i++) pthread_join(threads[i], NULL);
    say("closed and gone on\n");
    return 0;
}
