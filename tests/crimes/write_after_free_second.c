/* The second word of a freed block. */
#include "crime.h"

int main(void)
{
    uintptr_t *p = malloc(48);
    free(p);
    CRIME(p, p[1] = 1);
    sink = malloc(48);
    return 0;
}
