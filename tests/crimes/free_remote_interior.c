/* Another thread frees the middle of a block. */
#include "crime.h"

static void *work(void *p)
{
    CRIME((char *)p + 8, free((char *)p + 8));
    return NULL;
}

int main(void)
{
    in_thread(work, malloc(48));
    return 0;
}
