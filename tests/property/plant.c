/* plant.c: see plant.h. Sizes are chosen so that a random run meets each fault early. */
#include "plant.h"

#include <string.h>

enum plant plant_kind = PLANT_NONE;

static char *large_live; /* overlap: a live block of at least 16 KiB */
static bool has_freed;   /* zero: something of at least 256 bytes has been freed */

bool plant_choose(const char *name)
{
    static const char *const names[] = {"none", "overlap", "contents", "zero", "align"};
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0) { plant_kind = (enum plant)i; return true; }
    return false;
}

void *plant_new(void *p, size_t size)
{
    if (plant_kind != PLANT_OVERLAP || p == NULL) return p;
    if (size >= 16384 && large_live == NULL) large_live = p;
    else if (size >= 1024 && size < 4096 && large_live != NULL) return large_live + 4096;
    return p;
}

void *plant_zeroed(void *p, size_t size)
{
    if (plant_kind == PLANT_ZERO && p != NULL && has_freed && size >= 256) ((char *)p)[size - 7] = 1;
    return p;
}

void *plant_aligned(void *p, size_t align)
{
    return plant_kind == PLANT_ALIGN && p != NULL && align >= 64 ? (char *)p + 16 : p;
}

void *plant_resized(void *p, size_t old_size, size_t size)
{
    if (plant_kind == PLANT_CONTENTS && p != NULL && old_size >= 512 && size > old_size) ((char *)p)[63] ^= 1;
    return p;
}

void plant_freed(void *p, size_t size)
{
    if (plant_kind == PLANT_NONE) return;
    if (p == large_live) large_live = NULL;
    if (size >= 256) has_freed = true;
}
