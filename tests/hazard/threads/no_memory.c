/*
 * Threads start, allocate until nothing is left, free and end, while there is no memory for any of it: no call does more than
 * fail.
 *
 *     no_memory [rounds = 40 at full size]
 * The address space is limited to 96 MiB more than there is. Eight threads allocate, each of another kind of size, until malloc
 * refuses; then every call must refuse with ENOMEM or give sound memory, realloc must leave the old block, pthread_create may
 * fail, and a thread whose first malloc is refused must end. Then all is freed, and the next round has at least half as much:
 * what one size held another can have.
 */
#include "../../stress/stress.h"

#include <pthread.h>
#include <sys/resource.h>

enum { NTHREADS = 8, NMORE = 16, LIMIT = 96 << 20 };

static pthread_barrier_t full, tried;
static pthread_attr_t small_stack;

struct node {
    struct node *next;
};

static const size_t SIZES[NTHREADS] = {16, 64, 500, 2000, 8000, 40000, 200000, 2000000};

static void *first_malloc(void *arg)
{
    errno = 0;
    void *p = api_malloc((uintptr_t)arg);
    require(p != NULL || errno == ENOMEM, "refused with errno %d\n", errno);
    api_free(p);
    return NULL;
}

static void try_all(size_t size)
{
    for (int i = 0; i < 50; i++) {
        unsigned char *p = api_calloc(1, size), *grown;
        require(p != NULL || errno == ENOMEM, "calloc refused with errno %d\n", errno);
        if (p == NULL) continue;
        for (size_t k = 0; k < size; k += 512) require(p[k] == 0, "calloc is not zero\n");
        memset(p, 3, size);
        if ((grown = api_realloc(p, 3 * size)) != NULL) p = grown;
        else require(errno == ENOMEM, "realloc refused with errno %d\n", errno);
        for (size_t k = 0; k < size; k += 512) require(p[k] == 3, "realloc lost what was there\n");
        api_free(p);
        pthread_t thread;
        if (i % 10 == 0 && pthread_create(&thread, &small_stack, first_malloc, (void *)size) == 0) pthread_join(thread, NULL);
    }
}

static void *fill(void *arg)
{
    size_t size = SIZES[(uintptr_t)arg], n = 0;
    struct node *list = NULL, *node;
    for (; (node = api_malloc(size)) != NULL; n++) {
        node->next = list;
        list = node;
    }
    require(errno == ENOMEM, "refused with errno %d\n", errno);
    pthread_barrier_wait(&full);
    try_all(size);
    pthread_barrier_wait(&tried);
    for (; list != NULL; list = node) {
        node = list->next;
        api_free(list);
    }
    return (void *)n;
}

static size_t virtual_nbytes(void)
{
    char text[64] = "";
    int fd = open("/proc/self/statm", O_RDONLY);
    require(fd >= 0 && read(fd, text, sizeof text - 1) > 0, "/proc/self/statm\n");
    close(fd);
    return strtoul(text, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE);
}

int main(int argc, char **argv)
{
    long nrounds = argc > 1 ? atol(argv[1]) : scaled(40);
    pthread_t threads[NTHREADS];
    size_t first = 0;
    watchdog(280);
    pthread_attr_init(&small_stack);
    require(pthread_attr_setstacksize(&small_stack, 64 << 10) == 0, "no small stacks\n");
    pthread_barrier_init(&full, NULL, NTHREADS);
    pthread_barrier_init(&tried, NULL, NTHREADS);
    for (long round = 0; round < nrounds; round++) {
        struct rlimit limit, old;
        size_t total = 0;
        for (uintptr_t i = 0; i < NTHREADS; i++) {
            if (i == NTHREADS - 1) { /* the threads are there */
                getrlimit(RLIMIT_AS, &old);
                limit = (struct rlimit){virtual_nbytes() + LIMIT, old.rlim_max};
                setrlimit(RLIMIT_AS, &limit);
            }
            require(pthread_create(&threads[i], &small_stack, fill, (void *)i) == 0, "pthread_create\n");
        }
        for (int i = 0; i < NTHREADS; i++) {
            void *n;
            pthread_join(threads[i], &n);
            total += (size_t)n * SIZES[i];
        }
        setrlimit(RLIMIT_AS, &old);
        say("round %ld: %zu MiB\n", round, total >> 20);
        if (round == 0) first = total;
        require(total >= first / 2, "less than half of what there was in the first round\n");
        require_sound("after a round");
        void *p = api_malloc(1 << 20);
        require(p != NULL, "nothing is left after all has been freed\n");
        api_free(p);
    }
    return 0;
}
