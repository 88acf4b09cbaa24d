/* wraps.c: a preloaded library that stands before free and calloc, and has another get it the real ones by a handle of libc. */
#include <stdlib.h>

void *ask_libc(const char *name);

void free(void *p)
{
    static void (*real)(void *);
    if (!real) *(void **)&real = ask_libc("free");
    real(p);
}

void *calloc(size_t count, size_t size)
{
    static void *(*real)(size_t, size_t);
    if (!real) *(void **)&real = ask_libc("calloc");
    return real(count, size);
}
