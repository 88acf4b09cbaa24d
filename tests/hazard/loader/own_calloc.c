/* own_calloc.c: a program that stands before calloc, and gets the real one by a handle of libc. */
#include "support.h"

#include <dlfcn.h>

static int ncalls;

void *calloc(size_t count, size_t size)
{
    static void *(*real)(size_t, size_t);
    if (!real) *(void **)&real = dlsym(dlopen("libc.so.6", RTLD_LAZY), "calloc");
    require(ncalls++ < 100, "it has been given itself\n");
    return real(count, size);
}

int main(void)
{
    char *p = calloc(10, 100);
    for (int i = 0; i < 1000; i++) require(p && p[i] == 0, "not a thousand zeros\n");
    free(p);
    return 0;
}
