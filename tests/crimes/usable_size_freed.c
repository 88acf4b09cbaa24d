/* No crime: nothing of a freed block may be used. */
#include "crime.h"

int main(void)
{
    void *p = malloc(48);
    free(p);
    require(malloc_usable_size(p) == 0, "usable\n");
    return 0;
}
