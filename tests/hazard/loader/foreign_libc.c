/*
 * A program of threads and processes, for a C library that is not glibc (foreign_libc.sh builds it with musl-gcc, so it is a file
 * of its own).
 *
 *     foreign_libc [crime]        crime: frees a block twice
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NTHREADS = 4, NBLOCKS = 100000 };

static void *work(void *arg)
{
    for (size_t i = 0; i < NBLOCKS; i++) {
        size_t size = i * 7 % 3000 + 1;
        char *block = malloc(size);
        if (!block) abort();
        memset(block, (int)i, size);
        free(block);
    }
    return realloc(arg, 100000);
}

static void work_in_threads(void)
{
    pthread_t threads[NTHREADS];
    for (int i = 0; i < NTHREADS; i++)
        if (pthread_create(&threads[i], NULL, work, calloc(10, 10)) != 0) abort();
    for (int i = 0; i < NTHREADS; i++) {
        void *block;
        pthread_join(threads[i], &block);
        free(block);
    }
}

int main(int argc, char **argv)
{
    work_in_threads();
    pid_t child = fork();
    if (child == 0) {
        work_in_threads();
        _exit(7);
    }
    int status;
    waitpid(child, &status, 0);
    char *name = strdup(getenv("NAME"));
    printf("child %d, %s\n", WEXITSTATUS(status), name);
    free(name);
    if (argc > 1 && strcmp(argv[1], "crime") == 0) free(name);
    return 0;
}
