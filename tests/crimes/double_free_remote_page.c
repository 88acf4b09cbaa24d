/* Another thread frees a block of a page twice: the bit is there. */
#include "crime.h"

static void *work(void *p)
{
    free(p);
    CRIME(p, free(p));
    return NULL;
}

int main(void)
{
    in_thread(work, malloc(4096));
    return 0;
}
