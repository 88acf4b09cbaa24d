/* A pointer just past what was ever handed out there. */
#include "crime.h"

int main(void)
{
    char *p = malloc(8);
    CRIME(p + 4096, free(p + 4096));
    return 0;
}
