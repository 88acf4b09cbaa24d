/* Its owner frees a block of a page, then another thread does. */
#include "crime.h"

static void *work(void *p)
{
    CRIME(p, free(p));
    return NULL;
}

int main(void)
{
    char *p = malloc(4096);
    free(p);
    in_thread(work, p);
    allocate(3000, 4096);
    return 0;
}
