/* Its owner frees a block, then another thread does. */
#include "crime.h"

static void *work(void *p)
{
    CRIME(p, free(p));
    return NULL;
}

int main(void)
{
    char *p = malloc(48);
    free(p);
    in_thread(work, p);
    allocate(3000, 48);
    return 0;
}
