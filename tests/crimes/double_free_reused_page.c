/* A thread that shares its pages frees another's twice, and another in between. */
#include "crime.h"
#include "partner.h"

static char *first, *second;
static void allocate_two(void) { first = malloc(5000), second = malloc(5000); }

int main(void)
{
    partner_shares(5000);
    partner_does(allocate_two);
    free(first);
    free(second);
    CRIME(first, free(first));
    return 0;
}
