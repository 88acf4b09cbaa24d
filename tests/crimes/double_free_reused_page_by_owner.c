/* A thread that shares its pages frees another's, then its owner does. */
#include "crime.h"
#include "partner.h"

static char *p;
static void allocate_one(void) { p = malloc(5000); }
static void free_again(void) { CRIME(p, free(p)); }

int main(void)
{
    partner_shares(5000);
    allocate(3000, 5000); /* as many as the list holds: there is room for others' blocks again */
    partner_does(allocate_one);
    free(p);
    partner_does(free_again);
    return 0;
}
