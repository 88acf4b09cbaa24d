/* hook_dlsym.c: preloaded, takes dlsym over to see what a program looks for, as overlays of games do, and passes it on. So it is
 * the caller whenever RTLD_NEXT is asked for. */
#include <dlfcn.h>
#include <stddef.h>

void *dlsym(void *restrict handle, const char *restrict name)
{
    static const char *const VERSION[] = {"GLIBC_2.34", "GLIBC_2.17", "GLIBC_2.2.5"};
    static void *(*real)(void *, const char *);
    for (int i = 0; i < 3 && !real; i++) *(void **)&real = dlvsym(RTLD_NEXT, "dlsym", VERSION[i]);
    void *volatile found = real(handle, name);
    return found;
}
