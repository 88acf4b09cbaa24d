/* Twice, with malloc_trim between, and the second time by another thread. */
#include "crime.h"

static void *free_again(void *unused)
{
    CRIME(thinned[GONE], free(thinned[GONE]));
    return unused;
}

int main(void)
{
    thin_out();
    in_thread(free_again, NULL);
    allocate(NTHINNED, 960);
    return 0;
}
