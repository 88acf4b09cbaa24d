/*
 * Every entry point works on the smallest stack a thread may have (PTHREAD_STACK_MIN, 16 KiB on x86-64).
 *
 * 500 threads, eight at a time, each calls everything, for small, medium and large sizes, and exits with its keys' destructors
 * still to run. Linked with -z now: the lazy binder alone would save 2.7 KiB of registers on such a stack.
 */
#include "stress.h"

#include <limits.h>
#include <pthread.h>

enum { BATCH = 8, NTHREADS = 500 };

static pthread_key_t key;

static void use(void *p, size_t size, const char *call)
{
    require(p != NULL, "%s(%zu) refused\n", call, size);
    memset(p, 0x42, size);
    require(api_usable_size(p) >= size, "%s(%zu): usable size %zu\n", call, size, api_usable_size(p));
    api_free(p);
}

static void call_everything(size_t size)
{
    void *p = NULL;
    use(api_malloc(size), size, "malloc");
    use(api_calloc(1, size), size, "calloc");
    use(api_realloc(api_malloc(size), size * 3), size * 3, "realloc, growing");
    use(api_realloc(api_malloc(size * 3), size), size, "realloc, shrinking");
    use(api_reallocarray(NULL, size, 2), size * 2, "reallocarray");
    use(api_memalign(1024, size), size, "memalign");
    use(api_aligned_alloc(64, size), size, "aligned_alloc");
    require(api_posix_memalign(&p, 8192, size) == 0, "posix_memalign refused\n");
    use(p, size, "posix_memalign");
    use(api_valloc(size), size, "valloc");
    if (api_is_mspace()) use(api_pvalloc(size), size, "pvalloc");
    use(api_strdup("a string"), 9, "strdup");
    if (!api_is_mspace()) return;
    require(mspacer(mspacec(size)) == 0, "mspacer refused a block\n");
}

static void *live(void *arg)
{
    static const size_t sizes[] = {16, 100, 1000, 10000, 100000, 1000000};
    (void)arg;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) call_everything(sizes[i]);
    pthread_setspecific(key, api_malloc(100));
    return NULL;
}

static void destroy(void *value)
{
    api_free(value);
    api_free(api_malloc(200000));
}

int main(void)
{
    long nthreads = scaled(NTHREADS) / BATCH * BATCH + BATCH;
    pthread_t threads[BATCH];
    pthread_attr_t attributes;
    watchdog(280);
    pthread_attr_init(&attributes);
    require(pthread_attr_setstacksize(&attributes, (size_t)PTHREAD_STACK_MIN) == 0, "no stack of PTHREAD_STACK_MIN\n");
    require(pthread_key_create(&key, destroy) == 0, "pthread_key_create\n");
    for (long done = 0; done < nthreads; done += BATCH) {
        for (int i = 0; i < BATCH; i++) require(pthread_create(&threads[i], &attributes, live, NULL) == 0, "pthread_create\n");
        for (int i = 0; i < BATCH; i++) pthread_join(threads[i], NULL);
    }
    require_sound("after the last thread");
    return 0;
}
