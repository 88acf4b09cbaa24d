/* A block that another thread has freed, written to before its owner takes it in. */
#include "crime.h"

static void *work(void *p)
{
    free(p);
    return NULL;
}

int main(void)
{
    uintptr_t *p = malloc(48);
    in_thread(work, p);
    CRIME(p, p[0] = 0x4141414141414141);
    allocate(3000, 48);
    return 0;
}
