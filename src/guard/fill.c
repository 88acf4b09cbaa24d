#include "fill.h"

#include <string.h>

enum { FILL = 0xdf, LINK = sizeof(uintptr_t) /* of a small block's list (span.h) */ };

void fill_free(void *block, size_t size) { memset((char *)block + LINK, FILL, size - LINK); }

bool fill_is_intact(const void *block, size_t size)
{
    const unsigned char *bytes = block;
    for (size_t i = LINK; i < size; i++)
        if (bytes[i] != FILL) return false;
    return true;
}
