/*
 * limit=HARD:SOFT: who allocates without end gets NULL with ENOMEM, within 2 % of the limit, and can still say so.
 *
 *     limited SIZE HARD [SOFT]     run with MSPACE_CONF=limit=HARD:SOFT; all in bytes
 * Blocks of SIZE bytes, touched, until there is none: Anonymous is then between 0.98 and 1.02 of HARD (tables, the program itself
 * and what is not worth purging come on top of the heap: 4 MiB). A hundred small blocks of all sizes can be had all the same.
 * What is there is intact. Half of it freed, as much can be had again; while all is freed no more than SOFT is kept, or what is
 * in use; and a block of half of HARD can be had. Nobody is refused anything because another thread asks for more than there ever
 * was.
 */
#include "memory.h"

#include <pthread.h>

enum { NSMALL = 100, OTHER = 4 << 20 };

static long allocate_without_end(unsigned char **block, long n, size_t size)
{
    for (;; n++) {
        errno = 0;
        if ((block[n] = api_malloc(size)) == NULL) break;
        memset(block[n], (int)(n & 0xff), size);
    }
    require(errno == ENOMEM, "NULL with errno %d\n", errno);
    return n;
}

static void say_so(void)
{
    void *small[NSMALL];
    for (size_t i = 0; i < NSMALL; i++) {
        small[i] = api_malloc(10 * (i + 1));
        require(small[i] != NULL, "no %zu bytes for an error path\n", 10 * (i + 1));
        memset(small[i], 1, 10 * (i + 1));
    }
    printf("limited: %s\n", strerror(ENOMEM)); /* stdio asks for its buffer now */
    fflush(stdout);
    for (size_t i = 0; i < NSMALL; i++) api_free(small[i]);
}

static bool is_over;

static void *ask_for_too_much(void *hard)
{
    while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED))
        require(api_malloc(opaque(1000 * (size_t)hard)) == NULL, "a thousand times the limit\n");
    return NULL;
}

static void allocate_beside_it(size_t hard)
{
    enum { NROUNDS = 5000000 };
    pthread_t other;
    require(pthread_create(&other, NULL, ask_for_too_much, (void *)hard) == 0, "pthread_create\n");
    for (long n = scaled(NROUNDS), i = 0; i < n; i++) {
        void *block = api_malloc(hard / 64);
        require(block != NULL, "a 64th of the limit is refused, and there is nothing else\n");
        api_free(block);
    }
    __atomic_store_n(&is_over, true, __ATOMIC_RELAXED);
    pthread_join(other, NULL);
}

int main(int argc, char **argv)
{
    require(argc >= 3, "usage: limited SIZE HARD [SOFT]\n");
    size_t size = strtoul(argv[1], NULL, 10), hard = strtoul(argv[2], NULL, 10),
           soft = argc > 3 ? strtoul(argv[3], NULL, 10) : hard / 8 * 7;
    unsigned char **block = map_zeroed((hard / size + 2) * sizeof *block);
    watchdog(100);
    size_t before = anonymous_nbytes();
    long n = allocate_without_end(block, 0, size);
    size_t held = anonymous_nbytes() - before;
    say("%ld blocks of %zu bytes, %zu KiB held of %zu\n", n, size, held >> 10, hard >> 10);
    require(held <= hard + hard / 50 + OTHER, "more is held than the limit\n");
    require(held >= hard - hard / 50 - size, "the limit is not used up\n");
    say_so();
    errno = 0;
    require(api_malloc(hard) == NULL && errno == ENOMEM, "malloc(limit)\n");
    require(api_realloc(block[0], hard) == NULL && errno == ENOMEM, "realloc to the limit\n");

    for (long i = n / 2; i < n; i++) api_free(block[i]);
    long again = allocate_without_end(block, n / 2, size);
    require(again >= n - n / 50, "only %ld of %ld can be had again\n", again, n);
    for (long i = 0; i < again; i++) {
        require(block[i][0] == (i & 0xff) && block[i][size - 1] == (i & 0xff), "block %ld has changed\n", i);
        api_free(block[i]);
        if (i % 1024) continue;
        held = anonymous_nbytes() - before;
        size_t used = (size_t)(again - i) * size, allowed = used + used / 50 > soft ? used + used / 50 : soft;
        require(held <= allowed + OTHER, "%zu KiB held with %zu in use\n", held >> 10, used >> 10);
    }
    unsigned char *half = api_malloc(hard / 2);
    require(half != NULL, "no block of half the limit, though everything is free\n");
    memset(half, 1, hard / 2);
    held = anonymous_nbytes() - before;
    require(half[opaque(hard / 4)] == 1 && held <= (soft > hard / 2 ? soft : hard / 2) + OTHER, "%zu KiB held at the end\n",
            held >> 10);
    api_free(half);
    allocate_beside_it(hard);
    return 0;
}
