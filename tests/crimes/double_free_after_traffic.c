/* Twice, with a thousand frees and some allocations between. */
#include "crime.h"

int main(void)
{
    char *p = malloc(48), *others[1000];
    for (int i = 0; i < 1000; i++) others[i] = malloc(48);
    free(p);
    for (int i = 0; i < 1000; i++) free(others[i]);
    allocate(100, 48);
    CRIME(p, free(p));
    allocate(3000, 48);
    return 0;
}
