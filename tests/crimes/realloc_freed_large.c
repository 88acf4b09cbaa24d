/* realloc of a large block that was freed. */
#include "crime.h"

int main(void)
{
    char *p = malloc(1 << 20);
    free(p);
    CRIME(p, sink = realloc(p, 2 << 20));
    return 0;
}
