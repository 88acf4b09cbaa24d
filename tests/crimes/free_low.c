/* A small number, well aligned: an index taken for a pointer. */
#include "crime.h"

int main(void)
{
    void *p = (void *)4096;
    CRIME(p, free(p));
    return 0;
}
