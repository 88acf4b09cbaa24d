/* Another thread frees a block of a page, then its owner does: told when it takes in what others have freed. */
#include "crime.h"

static void *work(void *p)
{
    free(p);
    return NULL;
}

int main(void)
{
    void *p[64];
    for (int i = 0; i < 64; i++) p[i] = malloc(4096);
    in_thread(work, p[0]);
    CRIME(p[0], free(p[0]));
    for (int i = 1; i < 64; i++) free(p[i]);
    return 0;
}
