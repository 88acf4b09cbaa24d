/* Twice but for another, and then all that is free goes home. */
#include "bulk.h"

int main(void)
{
    replace_at_random();
    allocate(NBULK / 3, BULK_SIZE);
    char *p = malloc(BULK_SIZE), *other = malloc(BULK_SIZE);
    free(p);
    free(other);
    CRIME(p, free(p));
    malloc_trim(0);
    return 0;
}
