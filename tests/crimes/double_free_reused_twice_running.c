/* A thread that shares its objects frees another's block twice, one time after the other. */
#include "crime.h"
#include "partner.h"

static char *p;
static void allocate_one(void) { p = malloc(48); }

int main(void)
{
    partner_shares(48);
    allocate(3000, 48); /* as many as the list holds: there is room for others' blocks again */
    partner_does(allocate_one);
    free(p);
    CRIME(p, free(p));
    return 0;
}
