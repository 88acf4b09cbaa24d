/* C23, twice. */
#include "crime.h"

int main(void)
{
    extern void free_aligned_sized(void *, size_t, size_t) __attribute__((weak));
    char *p = aligned_alloc(64, 128);
    free_aligned_sized(p, 64, 128);
    CRIME(p, free_aligned_sized(p, 64, 128));
    return 0;
}
