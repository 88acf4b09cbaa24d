/* Another thread frees a place where no block has been. */
#include "crime.h"

static void *work(void *p)
{
    CRIME((char *)p + 48000, free((char *)p + 48000));
    return NULL;
}

int main(void)
{
    in_thread(work, malloc(48));
    return 0;
}
