/* An address that never was one. */
#include "crime.h"

int main(void)
{
    void *p = (void *)1;
    CRIME(p, free(p));
    return 0;
}
