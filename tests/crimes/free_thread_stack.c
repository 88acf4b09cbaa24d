/* A local variable of a thread. */
#include "crime.h"

static void *work(void *unused)
{
    _Alignas(16) char local[64];
    CRIME(local, free(local));
    return unused;
}

int main(void)
{
    in_thread(work, NULL);
    return 0;
}
