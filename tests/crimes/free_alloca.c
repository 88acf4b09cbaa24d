/* What alloca gave goes by itself. */
#include "crime.h"

int main(void)
{
    void *p = alloca(64);
    CRIME(p, free(p));
    return 0;
}
