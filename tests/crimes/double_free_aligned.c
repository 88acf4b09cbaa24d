/* Twice, an aligned block. */
#include "crime.h"

int main(void)
{
    void *p;
    if (posix_memalign(&p, 256, 300) != 0) return 1;
    free(p);
    CRIME(p, free(p));
    return 0;
}
