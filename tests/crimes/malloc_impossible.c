/* No crime: more than there can be is refused. */
#include "crime.h"

int main(void)
{
    errno = 0;
    void *p = malloc(opaque(SIZE_MAX - 1));
    require(p == NULL && errno == ENOMEM, "malloc returned %p, errno %d\n", p, errno);
    return 0;
}
