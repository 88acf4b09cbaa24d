/* A place in the span where a block will be, but none has been. */
#include "crime.h"

int main(void)
{
    char *p = malloc(960);
    CRIME(p + 50 * 960, free(p + 50 * 960));
    return 0;
}
