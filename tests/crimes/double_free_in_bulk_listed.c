/* The same, not handed out in between. */
#include "bulk.h"

int main(void)
{
    char *p = free_in_bulk();
    CRIME(p, free(p));
    free_between(0, NBULK, NULL);
    return 0;
}
