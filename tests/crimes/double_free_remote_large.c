/* One thread frees a large block, then another does. */
#include "crime.h"

static pthread_barrier_t freed;

static void *work(void *p)
{
    pthread_barrier_wait(&freed);
    CRIME(p, free(p));
    return NULL;
}

int main(void)
{
    char *p = malloc(1 << 20), *q = malloc(48);
    pthread_t thread;
    pthread_barrier_init(&freed, NULL, 2);
    pthread_create(&thread, NULL, work, p);
    free(p);
    pthread_barrier_wait(&freed);
    pthread_join(thread, NULL);
    free(q);
    return 0;
}
