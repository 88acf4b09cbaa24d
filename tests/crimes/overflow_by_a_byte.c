/* A string that is as long as its block: the zero behind it lands in the next one, which is free. */
#include "crime.h"

int main(void)
{
    char *p = malloc(48), *q = malloc(48);
    if (q != p + 48) return 1;
    free(q);
    CRIME(q, p[48] = '\0');
    sink = malloc(48);
    return 0;
}
