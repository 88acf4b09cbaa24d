/*
 * Modules with thread-local storage come and go while threads run: libc allocates their blocks, and the table of them, in
 * whatever thread touches one first.
 *
 *     tls_modules MODULE [rounds = 200 at full size]
 * Forty copies of a module are opened, each a file of its own, by the main thread; eight threads that were there before touch
 * each, so that their tables grow by realloc, while they allocate; every second round by a signal's handler, which interrupts no
 * malloc. Then all are closed.
 */
#include "../../stress/stress.h"

#include <dlfcn.h>
#include <pthread.h>

enum { NTHREADS = 8, NMODULES = 40 };

static pthread_barrier_t opened, touched;
static void *(*touch[NMODULES])(size_t);
static bool by_signal;
static long nrounds;

static void touch_all(int sig)
{
    for (int i = 0; i < NMODULES; i++) require(touch[i]((size_t)sig) != NULL, "a module's block\n");
}

static void *live(void *arg)
{
    uint64_t random = (uintptr_t)arg;
    for (long n = 0; n < nrounds; n++) {
        pthread_barrier_wait(&opened);
        for (int i = 0; i < 100; i++) stamped_free(stamped_new(size_random(&random)));
        if (by_signal) raise(SIGUSR1);
        else touch_all(0);
        for (int i = 0; i < 100; i++) stamped_free(stamped_new(size_random(&random)));
        pthread_barrier_wait(&touched);
    }
    return NULL;
}

static void copy(const char *from, const char *to)
{
    char bytes[65536];
    ssize_t n;
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0700);
    require(in >= 0 && out >= 0, "cannot copy %s\n", from);
    while ((n = read(in, bytes, sizeof bytes)) > 0) require(write(out, bytes, (size_t)n) == n, "cannot write %s\n", to);
    close(in);
    close(out);
}

int main(int argc, char **argv)
{
    require(argc > 1, "which module?\n");
    nrounds = argc > 2 ? atol(argv[2]) : scaled(200);
    pthread_t threads[NTHREADS];
    char folder[] = "/tmp/tls_modules.XXXXXX", path[NMODULES][64];
    void *modules[NMODULES];
    watchdog(280);
    require(mkdtemp(folder) != NULL, "no temporary folder\n");
    for (int i = 0; i < NMODULES; i++) {
        snprintf(path[i], sizeof path[i], "%s/%d.so", folder, i);
        copy(argv[1], path[i]);
    }
    signal(SIGUSR1, touch_all);
    pthread_barrier_init(&opened, NULL, NTHREADS + 1);
    pthread_barrier_init(&touched, NULL, NTHREADS + 1);
    for (uintptr_t i = 0; i < NTHREADS; i++)
        require(pthread_create(&threads[i], NULL, live, (void *)(i + 1)) == 0, "pthread_create\n");
    for (long n = 0; n < nrounds; n++) {
        by_signal = n % 2;
        for (int i = 0; i < NMODULES; i++) {
            require((modules[i] = dlopen(path[i], RTLD_NOW)) != NULL, "dlopen: %s\n", dlerror());
            touch[i] = (void *(*)(size_t))(uintptr_t)dlsym(modules[i], "module_touch");
        }
        pthread_barrier_wait(&opened);
        pthread_barrier_wait(&touched);
        for (int i = 0; i < NMODULES; i++) dlclose(modules[i]);
    }
    for (int i = 0; i < NTHREADS; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < NMODULES; i++) unlink(path[i]);
    rmdir(folder);
    require_sound("at the end");
    return 0;
}
