/* One bit of a freed block: a count of references, or a flag, that its last user takes back. */
#include "crime.h"

int main(void)
{
    unsigned char *p = malloc(48);
    free(p);
    CRIME(p, p[0] ^= 1);
    sink = malloc(48);
    return 0;
}
