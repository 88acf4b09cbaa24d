/* The library's own memory. */
#include "crime.h"

int main(void)
{
    extern const char *mspace_version(void) __attribute__((weak));
    void *p = (void *)((uintptr_t)mspace_version & ~(uintptr_t)15);
    CRIME(p, free(p));
    return 0;
}
