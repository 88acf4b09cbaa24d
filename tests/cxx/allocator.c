/* A whole allocator in a shared object, as jemalloc is: malloc and operators on shifted blocks, which nobody else can
 * release. Behind a preloaded allocator it must be passed over as a whole, and never be called. */
#include <stddef.h>
#include <stdlib.h>

#pragma GCC diagnostic ignored "-Wmissing-prototypes"

extern void *__libc_malloc(size_t size);
extern void __libc_free(void *p);

long allocator_ncalls;

void *malloc(size_t size)
{
    allocator_ncalls++;
    char *p = __libc_malloc(size + 16);
    return p ? p + 16 : NULL;
}
void free(void *p)
{
    if (p) __libc_free((char *)p - 16);
}
void *_Znwm(size_t size) { return malloc(size); }
void *_Znam(size_t size) { return malloc(size); }
void _ZdlPv(void *p) { free(p); }
void _ZdaPv(void *p) { free(p); }
void _ZdlPvm(void *p, size_t size)
{
    (void)size;
    free(p);
}
