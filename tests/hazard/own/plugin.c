/* The plugin. HAS_ANSWER: with an answer() of its own; else it needs somebody's. */
#include "plugin.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#ifdef HAS_ANSWER
int answer(void) { return OWN; }
#endif

static void *early; /* of the constructor: whosever it is, it can be freed */

__attribute__((constructor)) static void construct(void) { early = malloc(100); }
__attribute__((destructor)) static void destruct(void) { free(early); }

static int ask(void)
{
    free(early);
    early = NULL;
    return answer();
}

static void *take(size_t size)
{
    char *p = size % 2 ? malloc(size) : aligned_alloc(64, (size + 63) / 64 * 64);
    if (p) p[0] = 'p';
    return p;
}

static void *resize(void *p, size_t size) { return realloc(p, size); }
static void release(void *p) { free(p); }
static char *copy(const char *string) { return strdup(string); }
static size_t usable_size(void *p) { return malloc_usable_size(p); }

extern const struct plugin plugin;
const struct plugin plugin = {ask, take, resize, release, copy, usable_size};
