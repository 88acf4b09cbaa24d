/* realloc of a block that was freed. */
#include "crime.h"

int main(void)
{
    char *p = malloc(48);
    free(p);
    CRIME(p, sink = realloc(p, 100));
    return 0;
}
