/* realloc of a pointer that has moved on since malloc. */
#include "crime.h"

int main(void)
{
    char *p = malloc(48);
    CRIME(p + 16, sink = realloc(p + 16, 100));
    return 0;
}
