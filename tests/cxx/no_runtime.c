/* Uses operator new in a process that has no C++ run-time at all. */
#include "api.h"
#include "support.h"

#include <dlfcn.h>

static void *find(const char *name)
{
    void *p = dlsym(RTLD_DEFAULT, name);
    require(p, "no %s\n", name);
    return p;
}

int main(void)
{
    void *(*new)(size_t), *(*new_nothrow)(size_t, const void *);
    void (*delete)(void *);
    watchdog(60);
    *(void **)&new = find("_Znwm");
    *(void **)&new_nothrow = find("_ZnwmRKSt9nothrow_t");
    *(void **)&delete = find("_ZdlPv");
    for (size_t size = 0; size < 5000; size += 7) delete (new (size));
    require(new_nothrow(opaque(SIZE_MAX / 4), "") == NULL, "nothrow new\n");
    say("served\n");
    new (opaque(SIZE_MAX / 4));
    fail("new returned\n");
}
