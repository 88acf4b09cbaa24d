/* Into a free block whose page malloc_trim has given back. */
#include "crime.h"

int main(void)
{
    thin_out();
    CRIME(thinned[GONE], ((char *)thinned[GONE])[3] = 'x');
    allocate(NTHINNED, 960);
    return 0;
}
