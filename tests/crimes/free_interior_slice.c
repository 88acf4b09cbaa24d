/* Inside a block of 1 MiB, where another slice begins. */
#include "crime.h"

int main(void)
{
    char *p = malloc(1 << 20);
    CRIME(p + (1 << 19), free(p + (1 << 19)));
    return 0;
}
