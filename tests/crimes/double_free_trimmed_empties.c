/* Twice, with malloc_trim between, and then all others that are left once: the block counts for two, and the last is missing. */
#include "crime.h"

int main(void)
{
    thin_out();
    CRIME(thinned[GONE], free(thinned[GONE]));
    for (int i = 0; i < NTHINNED; i += THINNED) free(thinned[i]);
    return 0;
}
