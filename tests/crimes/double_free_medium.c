/* Twice, a block of 30 KiB. */
#include "crime.h"

int main(void)
{
    char *p = malloc(30 << 10), *q = malloc(30 << 10);
    free(p);
    free(q);
    CRIME(p, free(p));
    return 0;
}
