/* Twice, with another free between: the oldest trick against a check of the head alone. */
#include "crime.h"

int main(void)
{
    char *p = malloc(48), *q = malloc(48);
    free(p);
    free(q);
    CRIME(p, free(p));
    allocate(3000, 48);
    return 0;
}
