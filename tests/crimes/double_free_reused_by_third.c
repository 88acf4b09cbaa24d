/* A thread that shares its objects frees another's block, then a third thread does. */
#include "crime.h"
#include "partner.h"

static char *p;

static void allocate_one(void)
{
    allocate(3000, 48); /* as many as its lists hold: the next is the partner's own */
    p = malloc(48);
}

static void *free_again(void *nothing)
{
    CRIME(p, free(p));
    return nothing;
}

int main(void)
{
    partner_shares(48);
    allocate(3000, 48); /* and here there is room for others' again */
    partner_does(allocate_one);
    free(p);
    in_thread(free_again, NULL);
    return 0;
}
