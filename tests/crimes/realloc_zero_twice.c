/* realloc to nothing frees, and did so before. */
#include "crime.h"

int main(void)
{
    char *p = malloc(48);
    sink = realloc(p, 0);
    CRIME(p, sink = realloc(p, 0));
    return 0;
}
