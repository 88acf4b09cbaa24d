/* What mmap gave goes by munmap. */
#include "crime.h"

int main(void)
{
    void *p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CRIME(p, free(p));
    return 0;
}
