/* Twice, a block of 100,000 bytes, which is kept for the next of its size. */
#include "crime.h"

int main(void)
{
    char *p = malloc(100000);
    free(p);
    CRIME(p, free(p));
    return 0;
}
