/* A variable of the caller's caller, far up the stack. */
#include "crime.h"

int main(void)
{
    char *page = alloca(100000);
    char *p = (char *)(((uintptr_t)page + 90000) & ~(uintptr_t)15);
    CRIME(p, free(p));
    return 0;
}
