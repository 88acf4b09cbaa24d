/* A program whose malloc, free, calloc and realloc are its own; what it has not got (reallocarray) is made of them all the
 * same. */
#include "support.h"

#include <malloc.h>
#include <stddef.h>

static char arena[1 << 20] __attribute__((aligned(16)));
static size_t used;

static bool is_own(const void *p) { return (size_t)((const char *)p - arena) < sizeof arena; }

/* Nothing is used twice; the size is in front. */
void *malloc(size_t size)
{
    size_t *header = (size_t *)(void *)(arena + used);
    used += (size + 31) & ~(size_t)15;
    if (used > sizeof arena) abort();
    *header = size;
    return header + 2;
}

void free(void *p) { require(!p || is_own(p), "%p is not the program's own\n", p); }

void *calloc(size_t count, size_t size) { return malloc(count * size); }

void *realloc(void *p, size_t size)
{
    free(p);
    void *block = malloc(size);
    size_t before = p ? ((size_t *)p)[-2] : 0;
    return p ? memcpy(block, p, before < size ? before : size) : block;
}

int main(void)
{
    char *block = reallocarray(NULL, 10, 10);
    require(is_own(block), "reallocarray of nothing gives %p\n", (void *)block);
    memset(block, 7, 100);
    block = reallocarray(block, 100, 10);
    require(is_own(block) && block[99] == 7, "reallocarray gives %p\n", (void *)block);
    volatile size_t many = (size_t)1 << 33;
    require(!reallocarray(block, many, many), "an overflow is served\n");
    free(block);
    free(strdup("a"));
    return 0;
}
