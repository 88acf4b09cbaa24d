/* exhausted.c: a resource is used up: address space, data, mappings. What was there stays, what can be served is, nothing dies.
 *
 *     exhausted as|data [thread]    H37, H38, H41: RLIMIT_AS or RLIMIT_DATA some MiB above what is in use; allocate until NULL, free,
 *                                   again as much; thread: H42: threads born before make their first malloc when nothing is left
 *     exhausted mappings            H40: vm.max_map_count mappings, when munmap and mremap fail too; free, realloc and malloc of all sizes
 *     exhausted churn               H39: sizes come and go, under vm.overcommit_memory=2 (limits.sh); mappings stay below 1,000
 *
 * True of any good malloc: run it under plain glibc to see. */
#include "api.h"
#include "support.h"

#include <pthread.h>
#include <sys/resource.h>

static bool is_all(const char *p, size_t size, int with)
{
    return size == 0 || (p[0] == (char)with && memcmp(p, p + 1, size - 1) == 0);
}

static void let(void *p)
{
    errno = 12345;
    api_free(p);
    require(errno == 12345, "free sets errno to %d\n", errno);
}

/* "VmSize:" and the like of /proc/self/status, in bytes. */
static size_t status_nbytes(const char *key)
{
    static char text[8192];
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (n < 0) say("no /proc\n"), _exit(77);
    close(fd);
    text[n] = '\0';
    const char *line = strstr(text, key);
    require(line != NULL, "no %s\n", key);
    return strtoul(line + strlen(key), NULL, 10) << 10;
}

static long count_mappings(void)
{
    static char text[65536];
    long lines = 0;
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    for (ssize_t n; fd >= 0 && (n = read(fd, text, sizeof text)) > 0;)
        for (ssize_t i = 0; i < n; i++) lines += text[i] == '\n';
    close(fd);
    return lines;
}

/* --- blocks until there is none --- */

enum { N = 400000 };
static struct held {
    char *block;
    size_t size;
} *held;

static size_t size_of(long i, size_t most) { return (size_t)(mix64((uint64_t)i) % most) + 1; }

static long allocate_all(size_t most, long at_most)
{
    for (long i = 0; i < at_most; i++) {
        size_t size = size_of(i, most);
        errno = 0;
        char *p = i % 3 == 0 ? api_malloc(size) : i % 3 == 1 ? api_calloc(1, size) : api_memalign(64, size);
        if (!p) return require(errno == ENOMEM, "NULL with errno %d\n", errno), i;
        if (i % 3 == 1) require(is_all(p, size, 0), "calloc of %zu bytes is not zero\n", size);
        memset(p, (int)(i & 0x7f), size);
        held[i] = (struct held){p, size};
    }
    return at_most;
}

static void check(long i) { require(is_all(held[i].block, held[i].size, (int)(i & 0x7f)), "block %ld has changed\n", i); }

static void free_all(long n)
{
    for (long i = 0; i < n; i++) check(i), let(held[i].block);
}

static void limit_to(int resource, const char *key, size_t more)
{
    struct rlimit limit;
    getrlimit(resource, &limit);
    limit.rlim_cur = status_nbytes(key) + more;
    require(setrlimit(resource, &limit) == 0, "setrlimit: errno %d\n", errno);
}

static void resize_fails(long n)
{
    errno = 0;
    require(api_realloc(held[n / 2].block, (size_t)1 << 30) == NULL && errno == ENOMEM, "a GiB can be had\n");
    check(n / 2);
}

static void exhausted_once(size_t most, long at_most)
{
    long n = allocate_all(most, at_most);
    resize_fails(n);
    free_all(n);
    for (int round = 0; round < 3; round++) {
        long again = allocate_all(most, at_most);
        require(again >= n - n / (api_is_mspace() ? 16 : 2),
                "%ld blocks of up to %zu bytes could be had, and when they are free %ld\n", n, most, again);
        free_all(again);
    }
    say("up to %zu bytes: %ld blocks\n", most, n);
}

static void exhaust(int resource, const char *key)
{
    static const size_t mosts[] = {300, 5000, 60000, 400000, 3000000};
    limit_to(resource, key, (size_t)32 << 20);
    for (int i = 0; i < 5; i++) exhausted_once(mosts[i], N);
    /* From one size to another: what was blocks of 100 bytes can become one of a megabyte. */
    char *p = api_malloc((size_t)1 << 20);
    require(p != NULL, "all is free, and there is no megabyte\n");
    let(p);
}

/* --- threads at the limit --- */

enum { NTHREADS = 4 };
static pthread_barrier_t born, empty, tried, freed;

static void *first_malloc(void *sizes)
{
    pthread_barrier_wait(&born);
    pthread_barrier_wait(&empty);
    for (int i = 0; i < 100; i++) {
        size_t size = *(size_t *)sizes * (size_t)(1 + i % 10);
        errno = 0;
        char *p = i % 2 ? api_malloc(size) : api_calloc(1, size);
        if (!p) require(errno == ENOMEM, "a thread's NULL with errno %d\n", errno);
        else memset(p, 1, size);
        let(p);
    }
    pthread_barrier_wait(&tried);
    pthread_barrier_wait(&freed);
    char *p = api_malloc(*(size_t *)sizes);
    require(p != NULL || !api_is_mspace(), "there is memory again, and none for a thread\n"); /* glibc may have none */
    let(p);
    return sizes;
}

static void exhaust_threads(int resource, const char *key)
{
    pthread_t other[NTHREADS];
    static size_t sizes[NTHREADS] = {16, 700, 9000, 100000};
    pthread_barrier_t *barriers[] = {&born, &empty, &tried, &freed};
    for (int i = 0; i < 4; i++) pthread_barrier_init(barriers[i], NULL, NTHREADS + 1);
    for (int i = 0; i < NTHREADS; i++) require(pthread_create(&other[i], NULL, first_malloc, &sizes[i]) == 0, "no thread\n");
    pthread_barrier_wait(&born);
    limit_to(resource, key, (size_t)8 << 20);
    long n = allocate_all(60000, N), small = 0;
    static void *little[100000];
    while (small < 100000 && (little[small] = api_malloc(16)) != NULL) small++;
    pthread_barrier_wait(&empty);
    pthread_barrier_wait(&tried);
    free_all(n);
    while (small > 0) let(little[--small]);
    pthread_barrier_wait(&freed);
    for (int i = 0; i < NTHREADS; i++) pthread_join(other[i], NULL);
}

/* --- no more mappings --- */

static void exhaust_mappings(void)
{
    enum { PAGES = 400000 };
    char *one = api_malloc(3000000), *two = api_malloc(300), *fence = api_malloc(2000000);
    char *area = mmap(NULL, (size_t)PAGES * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    require(area != MAP_FAILED, "no area\n");
    memset(one, 1, 3000000), memset(two, 2, 300), memset(fence, 3, 2000000);
    long i = 0;
    while (i < PAGES && mprotect(area + i * 4096, 4096, PROT_READ) == 0) i += 2;
    if (i >= PAGES) say("vm.max_map_count is too large to use up\n"), _exit(77);
    say("%ld mappings\n", count_mappings());
    for (int round = 0; round < 3; round++) {
        long n = allocate_all(200000, 500), large = 0;
        for (long k = 0; k < n; k += 2) {
            char *p = api_realloc(held[k].block, held[k].size * 3);
            if (!p) require(errno == ENOMEM, "realloc: errno %d\n", errno);
            if (p) held[k].block = p;
            check(k);
        }
        for (size_t size = 4 << 20; size < 200 << 20; size *= 2) {
            char *p = api_malloc(size);
            if (!p) {
                require(errno == ENOMEM, "errno %d\n", errno);
                continue;
            }
            memset(p, 9, 4096), memset(p + size - 4096, 9, 4096);
            char *q = api_realloc(p, size + size / 2);
            require(is_all(q ? q : p, 4096, 9) && is_all((q ? q : p) + size - 4096, 4096, 9),
                    "realloc of %zu bytes lost something\n", size);
            let(q ? q : p);
            large++;
        }
        free_all(n);
        say("%ld blocks, %ld large ones\n", n, large);
        require(is_all(one, 3000000, 1) && is_all(two, 300, 2) && is_all(fence, 2000000, 3), "what was there has changed\n");
    }
    munmap(area, (size_t)PAGES * 4096);
    for (size_t size = 1; size < 50000000; size *= 3) {
        char *p = api_malloc(size);
        require(p != NULL, "there are mappings again, and no %zu bytes\n", size);
        let(p);
    }
    let(one), let(two), let(fence);
}

/* --- strict accounting --- */

static void churn(void)
{
    for (int round = 0; round < 6; round++) {
        long n = allocate_all(round % 2 ? 1000 : 200000, round % 2 ? 50000 : 600);
        for (long i = 0; i < n; i += 2) check(i), let(held[i].block), held[i].block = NULL;
        for (long i = 0; i < n; i++)
            if (held[i].block) check(i), let(held[i].block);
    }
    long n = count_mappings();
    say("%ld mappings\n", n);
    require(n < 1000, "too many mappings\n");
}

int main(int argc, char **argv)
{
    require(argc > 1, "usage: exhausted as|data [thread] | mappings | churn\n");
    watchdog(100);
    held = map_zeroed(N * sizeof *held);
    if (strcmp(argv[1], "mappings") == 0) exhaust_mappings();
    else if (strcmp(argv[1], "churn") == 0) churn();
    else {
        bool is_data = strcmp(argv[1], "data") == 0;
        (argc > 2 ? exhaust_threads : exhaust)(is_data ? RLIMIT_DATA : RLIMIT_AS, is_data ? "VmData:" : "VmSize:");
    }
    require(api_verify() == 0, "the heap is broken\n");
    say("%s: gone through\n", argv[1]);
    return 0;
}
