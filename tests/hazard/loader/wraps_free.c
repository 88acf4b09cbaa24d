/* wraps_free.c: a preloaded library that stands before free, and gets the real one by a handle of libc. */
#include <dlfcn.h>
#include <stdlib.h>

void free(void *p)
{
    static void (*real)(void *);
    if (!real) *(void **)&real = dlsym(dlopen("libc.so.6", RTLD_LAZY), "free");
    real(p);
}
