/* C23: the size is not believed, the pointer is checked. */
#include "crime.h"

int main(void)
{
    extern void free_sized(void *, size_t) __attribute__((weak));
    char *p = malloc(48);
    CRIME(p + 16, free_sized(p + 16, 32));
    return 0;
}
