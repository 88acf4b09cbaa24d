/* A thread that shares its pages frees another's, then a third thread does. */
#include "crime.h"
#include "partner.h"

static char *p;
static void allocate_one(void) { p = malloc(5000); }

static void *free_again(void *nothing)
{
    CRIME(p, free(p));
    return nothing;
}

int main(void)
{
    partner_shares(5000);
    partner_does(allocate_one);
    free(p);
    in_thread(free_again, NULL);
    return 0;
}
