/* A local variable. */
#include "crime.h"

int main(void)
{
    _Alignas(16) char local[64];
    CRIME(local, free(local));
    return 0;
}
