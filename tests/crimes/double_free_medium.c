/* Twice, a block of 100 KiB. */
#include "crime.h"

int main(void)
{
    char *p = malloc(100 << 10), *q = malloc(100 << 10);
    free(p);
    free(q);
    CRIME(p, free(p));
    return 0;
}
