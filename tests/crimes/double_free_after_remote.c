/* Another thread frees a block, then its owner does. */
#include "crime.h"

static void *work(void *p)
{
    free(p);
    return NULL;
}

int main(void)
{
    char *p = malloc(48);
    in_thread(work, p);
    CRIME(p, free(p));
    allocate(3000, 48);
    return 0;
}
