#include "fill.h"

#include <string.h>

enum { FILL = 0xdf };

void fill_free(void *block, size_t size) { memset((char *)block + sizeof(struct block), FILL, size - sizeof(struct block)); }

bool fill_is_intact(const void *block, size_t size)
{
    const unsigned char *bytes = block;
    for (size_t i = sizeof(struct block); i < size; i++)
        if (bytes[i] != FILL) return false;
    return true;
}
