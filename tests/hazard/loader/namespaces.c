/* namespaces.c: worlds that share nothing but the process: a libc and a plugin opened by dlmopen use their own malloc, on all
 * threads, beside ours; a block of theirs that comes to our free is told, and never taken for ours; a second copy of the library
 * keeps to its own blocks.
 *
 *   namespaces PLUGIN                       runs; under any allocator
 *   namespaces PLUGIN cross                 frees here what another libc made: one line and SIGABRT, or on_error=ignore
 *   namespaces PLUGIN LIBRARY               opens LIBRARY in a world of its own */
#include "api.h"
#include "support.h"

#include <dlfcn.h>
#include <pthread.h>

enum { NTHREADS = 4, NROUNDS = 2000 };

static char *(*their_strdup)(const char *);
static void (*their_free)(void *);
static long (*plugin_work)(long n);

static void *open_world(const char *path)
{
    void *handle = dlmopen(LM_ID_NEWLM, path, RTLD_NOW);
    require(handle != NULL, "dlmopen: %s\n", dlerror());
    return handle;
}

static void *work(void *argument)
{
    uint64_t state = (uintptr_t)argument;
    char *here[16] = {NULL}, *there[16] = {NULL};
    for (int i = 0; i < NROUNDS; i++) {
        unsigned k = random_below(&state, 16);
        require(!here[k] || strcmp(here[k], "here") == 0, "our block was written to\n");
        require(!there[k] || strcmp(there[k], "there") == 0, "their block was written to\n");
        free(here[k]);
        their_free(there[k]);
        here[k] = realloc(strdup("here"), random_below(&state, 3000) + 5);
        there[k] = their_strdup("there");
        require(plugin_work((long)k + 1) == (long)k + 1, "the plugin\n");
    }
    for (int k = 0; k < 16; k++) free(here[k]), their_free(there[k]);
    return NULL;
}

static void run_both(void)
{
    pthread_t threads[NTHREADS];
    for (intptr_t i = 0; i < NTHREADS; i++) require(pthread_create(&threads[i], NULL, work, (void *)i) == 0, "no thread\n");
    for (int i = 0; i < NTHREADS; i++) pthread_join(threads[i], NULL);
    work((void *)(intptr_t)99);
    require(api_verify() == 0, "broken laws\n");
}

static void second_copy(const char *path)
{
    void *(*other_take)(size_t);
    int (*other_give)(void *);
    void *copy = open_world(path);
    *(void **)&other_take = dlsym(copy, "mspacec");
    *(void **)&other_give = dlsym(copy, "mspacer");
    require(api_is_mspace() && other_take && other_give && other_take != mspacec, "no two copies\n");
    for (int i = 0; i < NROUNDS; i++) {
        size_t size = (size_t)i * 13 + 1;
        char *ours = mspacec(size), *theirs = other_take(size);
        require(ours && theirs && ours != theirs, "NULL, or the same block\n");
        memset(ours, 1, size), memset(theirs, 2, size);
        require(mspacer(theirs) == 1 && other_give(ours) == 1, "a block of the other copy was taken\n");
        require(ours[size - 1] == 1 && theirs[size - 1] == 2, "a block was written to\n");
        require(mspacer(ours) == 0 && other_give(theirs) == 0, "its own block was not taken\n");
    }
    require(api_verify() == 0, "broken laws\n");
}

int main(int argc, char **argv)
{
    watchdog(60);
    require(argc >= 2, "usage: namespaces PLUGIN [cross | LIBRARY]\n");
    void *libc = open_world("libc.so.6"), *plugin = open_world(argv[1]);
    *(void **)&their_strdup = dlsym(libc, "strdup");
    *(void **)&their_free = dlsym(libc, "free");
    *(void **)&plugin_work = dlsym(plugin, "plugin_work");
    require(their_strdup && their_free && plugin_work && their_free != free, "dlsym\n");
    if (argc == 2) {
        run_both();
        dlclose(plugin), dlclose(libc);
        libc = open_world("libc.so.6");
        dlclose(libc);
    } else if (strcmp(argv[2], "cross") == 0) {
        for (int i = 0; i < 100; i++) free(their_strdup("theirs")); /* too many for glibc's first list */
        char *grown = realloc(their_strdup("theirs"), 100);
        say("realloc: %s\n", grown ? grown : "NULL");
        run_both();
        say("went on\n");
    } else {
        second_copy(argv[2]);
    }
    return 0;
}
