/* The first word of a freed block: it held the link. */
#include "crime.h"

int main(void)
{
    uintptr_t *p = malloc(48);
    free(p);
    CRIME(p, p[0] = 0x4141414141414141);
    sink = malloc(48);
    return 0;
}
