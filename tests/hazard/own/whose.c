/* Says whose blocks malloc gives: `ours` or `libc's`, by what 24 bytes come to (32 and 24). */
#include "support.h"

#include <malloc.h>

int main(void)
{
    void *block = malloc(24);
    say("%s\n", malloc_usable_size(block) == 32 ? "ours" : "libc's");
    free(block);
    return 0;
}
