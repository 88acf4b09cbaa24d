/* Twice in a row. */
#include "crime.h"

int main(void)
{
    char *p = malloc(48);
    free(p);
    CRIME(p, free(p));
    return 0;
}
