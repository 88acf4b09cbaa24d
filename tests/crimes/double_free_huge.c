/* Twice, a block that had a range of its own and has been given back to the system. */
#include "crime.h"

int main(void)
{
    char *p = malloc(200 << 20);
    free(p);
    malloc_trim(0);
    CRIME(p, free(p));
    return 0;
}
