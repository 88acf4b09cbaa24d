/* One byte too far. */
#include "crime.h"

int main(void)
{
    char *p = malloc(48);
    CRIME(p + 1, free(p + 1));
    return 0;
}
