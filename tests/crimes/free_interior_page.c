/* Inside a block of a few pages. */
#include "crime.h"

int main(void)
{
    char *p = malloc(8192);
    CRIME(p + 4096, free(p + 4096));
    return 0;
}
