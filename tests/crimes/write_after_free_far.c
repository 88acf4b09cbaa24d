/* One of the three bytes of a free block that may change and still lead to a place where blocks are: what it leads to is checked
 * in its turn. */
#include "crime.h"

int main(void)
{
    unsigned char *p = malloc(48);
    free(p);
    CRIME(p, p[2] ^= 1);
    allocate(2, 48);
    return 0;
}
