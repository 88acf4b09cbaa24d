/* No crime: a product that does not fit is refused. */
#include "crime.h"

int main(void)
{
    errno = 0;
    void *p = calloc(opaque(SIZE_MAX / 2 + 1), 2);
    require(p == NULL && errno == ENOMEM, "calloc returned %p, errno %d\n", p, errno);
    return 0;
}
