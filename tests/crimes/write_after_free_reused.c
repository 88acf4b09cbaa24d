/* A thread that shares its objects frees another's block, and writes into it. */
#include "crime.h"
#include "partner.h"

static char *p;
static void allocate_one(void) { p = malloc(48); }

int main(void)
{
    partner_shares(48);
    partner_does(allocate_one);
    free(p);
    CRIME(p, memset(p, 'x', 48));
    allocate(3000, 48);
    return 0;
}
