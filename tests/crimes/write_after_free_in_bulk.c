/* Into the middle of a link, so that it leads to where no memory is, and then all that is free goes home. */
#include "bulk.h"

int main(void)
{
    replace_at_random();
    allocate(NBULK / 3, BULK_SIZE);
    char *p = malloc(BULK_SIZE), *other = malloc(BULK_SIZE);
    free(p);
    free(other);
    CRIME(p, (p[2] ^= 0x55, p[3] ^= 0x15));
    malloc_trim(0);
    return 0;
}
