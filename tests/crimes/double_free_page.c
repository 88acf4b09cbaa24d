/* Twice, a block of a page: its bit tells, however long ago it was. */
#include "crime.h"

int main(void)
{
    char *p = malloc(4096), *q = malloc(4096);
    free(p);
    free(q);
    CRIME(p, free(p));
    return 0;
}
