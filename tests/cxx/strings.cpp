// C++ work for a program with a malloc of its own: blocks go across in both directions.
#include "cxx.h"

extern "C" {
__attribute__((visibility("default"))) char *strings_make();
__attribute__((visibility("default"))) int strings_release(char *given, void *bare);
}

char *strings_make()
{
    work_churn();
    return strdup("one for free");
}

int strings_release(char *given, void *bare)
{
    free(given);
    operator delete(bare);
    free(operator new(77));
    return 0;
}
