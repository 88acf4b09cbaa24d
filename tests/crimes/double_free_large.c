/* Twice, a block of 1 MiB: its span is gone. */
#include "crime.h"

int main(void)
{
    char *p = malloc(1 << 20), *q = malloc(1 << 20);
    free(p);
    CRIME(p, free(p));
    sink = q;
    return 0;
}
