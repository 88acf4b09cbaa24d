/* A pointer aligned by hand inside a block, whose start was lost. */
#include "crime.h"

int main(void)
{
    char *p = memalign(64, 200);
    CRIME(p + 64, free(p + 64));
    return 0;
}
