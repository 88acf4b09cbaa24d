/* A C program that opens a C++ plugin. HAS_MALLOC: it brings a malloc that is libc's by another name. */
#include "support.h"

#include <dlfcn.h>

#ifdef HAS_MALLOC
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void __libc_free(void *p);
void *malloc(size_t size) { return __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return __libc_calloc(count, size); }
void *realloc(void *p, size_t size) { return __libc_realloc(p, size); }
void free(void *p) { __libc_free(p); }
#endif

int main(int argc, char **argv)
{
    require(argc == 2, "usage: opens PLUGIN\n");
    watchdog(20);
    require(dlopen(argv[1], RTLD_NOW), "%s\n", dlerror());
    return 0;
}
