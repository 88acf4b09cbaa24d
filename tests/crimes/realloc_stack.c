/* realloc of an array that was never on the heap. */
#include "crime.h"

int main(void)
{
    _Alignas(16) char local[64];
    CRIME(local, sink = realloc(local, 100));
    return 0;
}
