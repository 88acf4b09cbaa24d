/* A string that was not duplicated. */
#include "crime.h"

int main(void)
{
    static const _Alignas(16) char text[] = "never allocated";
    void *p = (void *)(uintptr_t)text;
    CRIME(p, free(p));
    return 0;
}
