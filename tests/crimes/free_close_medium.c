/* The same beside a block of a page. */
#include "crime.h"

int main(void)
{
    char *p = malloc(4096);
    CRIME(p + 4096, free(p + 4096));
    return 0;
}
