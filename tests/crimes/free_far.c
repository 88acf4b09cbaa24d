/* A wild pointer, a GiB past its block. */
#include "crime.h"

int main(void)
{
    char *p = malloc(48);
    CRIME(p + (1 << 30), free(p + (1 << 30)));
    return 0;
}
