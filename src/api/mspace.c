/* mspace.c - the public names of include/mspace.h. */
#include "../../include/mspace.h"
#include "../watch/watch.h"
#include "alloc.h"
#include "life.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT const char *mspace_version(void) { return MSPACE_VERSION; }

EXPORT void *mspacec(size_t size) { return alloc_malloc(size); }

EXPORT int mspacer(void *block)
{
    if (!block) return 0;
    if (!alloc_size_of(block)) return 1;
    alloc_free(block);
    return 0;
}

EXPORT size_t mspace_verify(void)
{
    life_check();
    return watch_verify();
}

EXPORT int mspace_walk(mspace_visitor *visit, void *argument)
{
    life_check();
    return watch_walk(visit, argument);
}
