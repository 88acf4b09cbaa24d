/* Behind everything: the free part of the range after the last large block. */
#include "crime.h"

int main(void)
{
    char *p = malloc(100 << 20), *q = malloc(1 << 20);
    free(p);
    CRIME(p + (64 << 20), free(p + (64 << 20)));
    sink = q;
    return 0;
}
