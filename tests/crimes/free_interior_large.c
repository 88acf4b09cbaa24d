/* Inside a block of 1 MiB, in its first slice. */
#include "crime.h"

int main(void)
{
    char *p = malloc(1 << 20);
    CRIME(p + 16, free(p + 16));
    return 0;
}
