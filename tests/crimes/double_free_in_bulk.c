/* Twice, while the program frees all it has, of spans that it has freed and allocated from for long; handed out in between. */
#include "bulk.h"

int main(void)
{
    char *p = free_in_bulk();
    CRIME(p, free(p));
    for (int i = 0; i < NFREED && sink != p; i++) allocate(1, BULK_SIZE);
    memset(p, 'x', BULK_SIZE);
    free_between(0, NBULK, NULL);
    return 0;
}
