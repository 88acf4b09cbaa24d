/* No crime, and so no line. */
#include "crime.h"

int main(void)
{
    for (size_t size = 0; size < 2000000; size = size * 3 / 2 + 1) {
        char *p = memset(malloc(size), 1, size), *q = calloc(1, size);
        p = realloc(p, 2 * size + 1);
        free(q);
        free(memalign(64, size));
        free(p);
    }
    free(NULL);
    return 0;
}
