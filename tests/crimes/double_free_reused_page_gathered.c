/* A thread that shares its pages frees another's when its list is full, and again when there is room. */
#include "crime.h"
#include "partner.h"

int main(void)
{
    partner_shares(5000);
    partner_does(partner_allocates);
    partner_frees();
    char *p = partner_blocks[PARTNER_NBLOCKS - 1];
    allocate(20, 5000);
    CRIME(p, free(p));
    return 0;
}
