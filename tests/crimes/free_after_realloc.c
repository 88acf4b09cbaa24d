/* The old pointer, after realloc has moved the block. */
#include "crime.h"

int main(void)
{
    char *p = malloc(48), *q = realloc(p, 5000);
    CRIME(p, free(p));
    sink = q;
    return 0;
}
