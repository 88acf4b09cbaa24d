/* Another thread frees a block twice. */
#include "crime.h"

static void *work(void *p)
{
    free(p);
    CRIME(p, free(p));
    return NULL;
}

int main(void)
{
    in_thread(work, malloc(48));
    allocate(3000, 48);
    return 0;
}
