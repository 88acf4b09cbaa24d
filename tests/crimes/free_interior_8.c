/* Eight bytes in: a hidden header that was not subtracted. */
#include "crime.h"

int main(void)
{
    char *p = malloc(48);
    CRIME(p + 8, free(p + 8));
    return 0;
}
