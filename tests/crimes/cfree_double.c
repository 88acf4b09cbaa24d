/* The old name: it is free. */
#include "crime.h"

int main(void)
{
    extern void cfree(void *) __attribute__((weak));
    char *p = malloc(48);
    cfree(p);
    CRIME(p, cfree(p));
    return 0;
}
