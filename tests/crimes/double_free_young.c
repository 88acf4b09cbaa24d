/* A thread frees its own first block twice: it is of a span that young threads share. */
#include "crime.h"

enum { NTHREADS = 400 };
static pthread_barrier_t meeting;

static void *twice(void *unused)
{
    char *p = malloc(48);
    free(p);
    CRIME(p, free(p));
    return unused;
}

static void *young(void *unused)
{
    allocate(4, 48);        /* then it would have a span of its own */
    pthread_barrier_wait(&meeting);
    return unused;
}

int main(void)
{
    pthread_t threads[NTHREADS];
    pthread_barrier_init(&meeting, NULL, NTHREADS);
    in_thread(twice, NULL);
    for (int i = 0; i < NTHREADS; i++) require(pthread_create(&threads[i], NULL, young, NULL) == 0, "no thread\n");
    for (int i = 0; i < NTHREADS; i++) pthread_join(threads[i], NULL);
    return 0;
}
