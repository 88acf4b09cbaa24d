/* A thread that shares its objects frees another's block, then its owner does. */
#include "crime.h"
#include "partner.h"

static char *p;
static void allocate_one(void) { p = malloc(48); }
static void free_again(void) { CRIME(p, free(p)); }
static void allocate_more(void) { allocate(3000, 48); }

int main(void)
{
    partner_shares(48);
    allocate_more(); /* as many as the lists hold: there is room for others' blocks again */
    partner_does(allocate_more);
    partner_does(allocate_one);
    free(p);
    partner_does(free_again);
    partner_does(allocate_more);
    allocate_more();
    return 0;
}
