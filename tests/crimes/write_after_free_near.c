/* The byte of a free block that may change and still lead into its slice: what it leads to is checked in its turn. */
#include "crime.h"

int main(void)
{
    unsigned char *p = malloc(48);
    free(p);
    CRIME(p, p[1] ^= 1);
    allocate(2, 48);
    return 0;
}
