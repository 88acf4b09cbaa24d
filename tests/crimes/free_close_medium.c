/* The same beside a block of a page. */
#include "crime.h"

int main(void)
{
    char *p = malloc(4096);
    CRIME(p + malloc_usable_size(p), free(p + malloc_usable_size(p)));
    return 0;
}
