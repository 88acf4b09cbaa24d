/* realloc of a block of a page that was freed. */
#include "crime.h"

int main(void)
{
    char *p = malloc(4096);
    free(p);
    CRIME(p, sink = realloc(p, 10000));
    return 0;
}
