/* A thread that shares its objects frees another's block twice, and another block in between. */
#include "crime.h"
#include "partner.h"

static char *first, *second;
static void allocate_two(void) { first = malloc(48), second = malloc(48); }

int main(void)
{
    partner_shares(48);
    partner_does(allocate_two);
    free(first);
    free(second);
    CRIME(first, free(first));
    allocate(3000, 48);
    return 0;
}
