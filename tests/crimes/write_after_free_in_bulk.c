/* Into the middle of a link, so that it leads to where no memory is, and then all that is free goes home. */
#include "bulk.h"

int main(void)
{
    char *p = free_two();
    CRIME(p, (p[2] ^= 0x55, p[3] ^= 0x15));
    malloc_trim(0);
    return 0;
}
