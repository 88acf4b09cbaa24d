/*
 * bare_child.c: a process that no atfork handler has heard of, and that starts threads before anything else: its first thread
 * keeps its heap, though another is the first to come to the allocator by a slow rung.
 *
 *   bare_child clone | _Fork
 */
#include "api.h"
#include "support.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { NCHILDREN = 100, NTHREADS = 2, NBLOCKS = 200, NROUNDS = 30000 };

extern pid_t _Fork(void) __attribute__((weak));

/* Blocks that hold what this thread has written. */
static void *churn(void *argument)
{
    uint64_t random = (uintptr_t)argument;
    struct { unsigned char *bytes; size_t size; } blocks[NBLOCKS] = {{NULL, 0}};
    for (int i = 0; i < NROUNDS; i++) {
        unsigned k = random_below(&random, NBLOCKS);
        unsigned char mark = (unsigned char)((uintptr_t)argument * 64 + k);
        for (size_t j = 0; blocks[k].bytes && j < blocks[k].size; j++)
            require(blocks[k].bytes[j] == mark, "two threads have the same block\n");
        api_free(blocks[k].bytes);
        blocks[k].size = 16 + random_below(&random, 200);
        memset(blocks[k].bytes = api_malloc(blocks[k].size), mark, blocks[k].size);
    }
    for (int k = 0; k < NBLOCKS; k++) api_free(blocks[k].bytes);
    return NULL;
}

static void live(void)
{
    pthread_t threads[NTHREADS];
    for (uintptr_t i = 0; i < NTHREADS; i++) pthread_create(&threads[i], NULL, churn, (void *)(i + 1));
    churn((void *)(uintptr_t)(NTHREADS + 1));
    for (int i = 0; i < NTHREADS; i++) pthread_join(threads[i], NULL);
    require(api_verify() == 0, "broken laws\n");
    _exit(0);
}

int main(int argc, char **argv)
{
    bool is_clone = argc < 2 || strcmp(argv[1], "clone") == 0;
    void *blocks[64];
    watchdog(280);
    if (!is_clone && !_Fork) return 77;
    /* So that all that pthread_create wants is at hand. */
    for (size_t i = 0; i < 64; i++) blocks[i] = api_malloc(16 + 16 * i);
    for (size_t i = 0; i < 64; i += 2) api_free(blocks[i]);
    for (long n = scaled(NCHILDREN); n--;) {
        int status;
        pid_t child = is_clone ? (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL) : _Fork();
        if (child == 0) live();
        require(child > 0 && waitpid(child, &status, 0) == child, "no child\n");
        require(status == 0, "a child ended with status %#x\n", (unsigned)status);
    }
    return 0;
}
