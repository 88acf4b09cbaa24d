/* Two threads free a block of a third: seen when the second posts what it has gathered. */
#include "crime.h"

static void *first(void *p)
{
    free(p);
    return NULL;
}

static void *second(void *p)
{
    CRIME(p, free(p));
    return NULL;
}

int main(void)
{
    char *p = malloc(48);
    in_thread(first, p);
    in_thread(second, p);
    return 0;
}
