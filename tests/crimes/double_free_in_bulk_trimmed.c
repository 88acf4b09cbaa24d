/* Twice but for another, and then all that is free goes home. */
#include "bulk.h"

int main(void)
{
    char *p = free_two();
    CRIME(p, free(p));
    malloc_trim(0);
    return 0;
}
