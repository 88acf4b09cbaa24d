/* A block of a thread that is gone, freed twice: seen at once, for the first free is still being gathered. */
#include "crime.h"

static void *first(void *slot)
{
    allocate(100, 48);
    *(void **)slot = malloc(48);
    return NULL;
}

static void *second(void *unused)
{
    allocate(3000, 48);
    return unused;
}

int main(void)
{
    char *p;
    in_thread(first, &p);
    free(p);
    CRIME(p, free(p));
    malloc_trim(0);     /* posts what is pending */
    in_thread(second, NULL);
    return 0;
}
