/* One bit of a free block that leads beyond the 2 GiB in which the next one may be. */
#include "crime.h"

int main(void)
{
    unsigned char *p = malloc(48);
    free(p);
    CRIME(p, p[4] ^= 1);
    sink = malloc(48);
    return 0;
}
