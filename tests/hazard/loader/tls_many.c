/* tls_many.c: linked to NLINKED shared objects with thread-local storage, opens 60 more, in main and in threads, while the others
 * use what is there. Each time the loader grows the table (dtv) of each thread that comes by: the first ones were its own, made
 * before it knew of our malloc, the later ones are malloc's; and each block of storage is malloc's, called from the middle of any
 * access.
 *
 *   tls_many FOLDER        with opened1.so ... in it */
#include "api.h"
#include "support.h"
#include "tls.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>

#ifndef NLINKED
#define NLINKED 60
#endif
enum { NOPENED = 60, NTHREADS = 4, NOBJECTS = 4 * (NLINKED + NOPENED) };

static long *(*_Atomic number_of[NOBJECTS])(void);
static atomic_int nobjects, is_over;
static pthread_barrier_t start;
static const char *folder;

void tls_register(long *(*number_of_this_thread)(void))
{
    int i = atomic_fetch_add(&nobjects, 1);
    require(i < NOBJECTS, "too many objects\n");
    atomic_store(&number_of[i], number_of_this_thread);
}

/* Every number of this thread that is new must be fresh, every other what this thread made it. */
static void visit(long id, bool *is_known)
{
    for (int i = 0; i < atomic_load(&nobjects); i++) {
        long *(*number)(void) = atomic_load(&number_of[i]);
        if (!number) continue;
        long expected = is_known[i] ? id * 1000 + i : TLS_FRESH, seen = *number();
        require(seen == expected, "thread %ld, object %d: %ld, not %ld\n", id, i, seen, expected);
        *number() = id * 1000 + i;
        is_known[i] = true;
        if (i % 8 == 0) free(realloc(malloc((size_t)i * 10 + 1), (size_t)i * 30 + 1));
    }
}

static void *open_one(int i)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/opened%d.so", folder, i);
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    require(handle != NULL, "dlopen: %s\n", dlerror());
    return handle;
}

/* Opens its share of the objects, one after the other, and visits all that are there after each. */
static void *work(void *argument)
{
    long id = (long)(intptr_t)argument;
    bool is_known[NOBJECTS] = {false};
    pthread_barrier_wait(&start);
    for (int i = (int)id + 1; i <= NOPENED; i += NTHREADS + 1) {
        visit(id, is_known);
        open_one(i);
    }
    while (id && !atomic_load(&is_over)) visit(id, is_known);
    visit(id, is_known);
    return NULL;
}

static void *visit_once(void *argument)
{
    bool is_known[NOBJECTS] = {false};
    visit((long)(intptr_t)argument, is_known);
    return NULL;
}

/* One that is opened, used and closed again and again by threads of its own: storage that outlives its object is freed in
 * between. */
static void *open_and_close(void *argument)
{
    char path[4200];
    long *(*own)(void) = NULL;
    snprintf(path, sizeof path, "%s/closed%ld.so", folder, (long)(intptr_t)argument);
    for (long i = scaled(300); i > 0; i--) {
        void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        require(handle != NULL, "dlopen: %s\n", dlerror());
        *(void **)&own = dlsym(handle, "tls_number");
        require(own && *own() == TLS_FRESH, "storage of a library opened anew is not fresh\n");
        *own() = i;
        require(dlclose(handle) == 0, "dlclose: %s\n", dlerror());
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[NTHREADS], late[NTHREADS];
    watchdog(100);
    require(argc == 2, "usage: tls_many FOLDER\n");
    folder = argv[1];
    require(atomic_load(&nobjects) == NLINKED, "%d objects were linked, not %d\n", atomic_load(&nobjects), NLINKED);
    pthread_barrier_init(&start, NULL, NTHREADS + 1);
    for (long i = 0; i < NTHREADS; i++) pthread_create(&threads[i], NULL, work, (void *)(intptr_t)(i + 1));
    work((void *)0);
    usleep(10000);
    for (long i = 0; i < NTHREADS; i++) pthread_create(&late[i], NULL, visit_once, (void *)(intptr_t)(100 + i));
    for (long i = 0; i < NTHREADS; i++) pthread_join(late[i], NULL);
    atomic_store(&is_over, 1);
    for (long i = 0; i < NTHREADS; i++) pthread_join(threads[i], NULL);
    require(atomic_load(&nobjects) == NLINKED + NOPENED, "%d objects\n", atomic_load(&nobjects));
    for (long i = 0; i < NTHREADS; i++) pthread_create(&threads[i], NULL, open_and_close, (void *)(intptr_t)(i + 1));
    for (long i = 0; i < NTHREADS; i++) pthread_join(threads[i], NULL);
    require(api_verify() == 0, "broken laws\n");
    say("%d objects\n", atomic_load(&nobjects));
    return 0;
}
