/* A third thread frees a page, then a thread that shares its pages, and did not allocate it. */
#include "crime.h"
#include "partner.h"

static char *p;
static void allocate_one(void) { p = malloc(5000); }

static void *free_first(void *nothing)
{
    free(p);
    return nothing;
}

int main(void)
{
    partner_shares(5000);
    allocate(3000, 5000); /* as many as the list holds: there is room for others' blocks again */
    partner_does(allocate_one);
    in_thread(free_first, NULL);
    CRIME(p, free(p));
    return 0;
}
