/* Twice, with another free between, of a block of a span of which malloc_trim has given back other pages: its list goes round. */
#include "crime.h"

enum { FIRST = 150 }; /* of three that are left in a span */

int main(void)
{
    thin_out();
    free(thinned[FIRST]);
    free(thinned[FIRST + THINNED]);
    CRIME(thinned[FIRST], free(thinned[FIRST]));
    allocate(NTHINNED, 960);
    return 0;
}
