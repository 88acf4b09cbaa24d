/* secure_probe.c: says whether it runs set-user-ID and whether the library is in it, then frees a block twice. */
#include "support.h"

#include <malloc.h>
#include <sys/auxv.h>

extern size_t mspace_verify(void) __attribute__((weak));

int main(void)
{
    void *p = malloc(opaque(40)), *volatile again = p;
    say("secure %lu library %d\n", getauxval(AT_SECURE), mspace_verify != NULL);
    if (mspace_verify == NULL) return 0;
    free(p);
    free(again);
    say("went on\n");
    return 0;
}
