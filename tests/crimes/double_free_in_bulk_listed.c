/* The same, not handed out in between. */
#include "bulk.h"

int main(void)
{
    char *p = free_in_bulk();
    CRIME(p, free(p));
    free_from_on(NFREED, NULL);
    return 0;
}
