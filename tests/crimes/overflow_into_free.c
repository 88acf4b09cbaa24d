/* Past the end of a block, into a free one. */
#include "crime.h"

int main(void)
{
    char *p = malloc(48), *q = malloc(48);
    if (q != p + 48) return 1;
    free(q);
    CRIME(q, memset(p, 0, 64));
    sink = malloc(48);
    return 0;
}
