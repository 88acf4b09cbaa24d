/* Twice, and malloc_trim between has given back the page where the block was. */
#include "crime.h"

int main(void)
{
    thin_out();
    CRIME(thinned[GONE], free(thinned[GONE]));
    allocate(NTHINNED, 960);
    return 0;
}
