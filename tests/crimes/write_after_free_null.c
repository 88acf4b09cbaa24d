/* The first word of a freed block, cleared: the likeliest value of all. */
#include "crime.h"

int main(void)
{
    uintptr_t *p = malloc(48), *q = malloc(48);
    free(q);
    free(p);
    CRIME(p, p[0] = 0);
    sink = malloc(48);
    return 0;
}
