/* An address that no processor has: two pointers mixed up, or text. */
#include "crime.h"

int main(void)
{
    void *p = (void *)0x6f77206f6c6c6570;
    CRIME(p, free(p));
    return 0;
}
