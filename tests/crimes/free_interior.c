/* The second field of a structure instead of the structure. */
#include "crime.h"

int main(void)
{
    char *p = malloc(48);
    CRIME(p + 16, free(p + 16));
    return 0;
}
