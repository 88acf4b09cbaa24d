/* Inside a block of 30 KiB. */
#include "crime.h"

int main(void)
{
    char *p = malloc(30 << 10);
    CRIME(p + 4096, free(p + 4096));
    return 0;
}
