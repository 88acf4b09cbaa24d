/* The same of one that is followed on its list by one which lies some GiB away: nothing in it looks as if it were freed, to who
 * looks at it alone. */
#include "crime.h"

static void *work(void *p)
{
    CRIME(p, free(p));
    return NULL;
}

static void *nothing(void *p) { return p; }

int main(void)
{
    in_thread(nothing, NULL); /* later it would be the first to want blocks of its sizes, and send home what is listed */
    allocate(200, 4096);
    char *near = malloc(4096), *wide = malloc((size_t)5 << 30);
    require(wide != NULL, "no address space\n");
    char *p = malloc(4096);
    for (int left = 1 << 20; left && p - near < (ptrdiff_t)4 << 30; left--) p = malloc(4096);
    allocate(200, 4096);
    free(near);
    free(p);
    in_thread(work, p);
    allocate(3000, 3000);
    allocate(3000, 4096);
    return 0;
}
