/* A C program that opens a C++ plugin for itself only: no operator new is in sight of a global look-up. */
#include "api.h"
#include "support.h"

#include <dlfcn.h>

static void *(*plugin_new)(size_t size);

static void *call_back(size_t size)
{
    void *p = plugin_new(size);
    say("plugin_new returned %p\n", p);
    return p;
}

int main(int argc, char **argv)
{
    watchdog(60);
    require(argc >= 2, "usage: host PLUGIN [back]\n");
    void *plugin = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    require(plugin, "%s\n", dlerror());
    int (*run)(size_t, void *(*)(size_t));
    *(void **)&run = dlsym(plugin, "plugin_run");
    *(void **)&plugin_new = dlsym(plugin, "plugin_new");
    require(run && plugin_new, "%s\n", dlerror());
    int ncaught = run(opaque(SIZE_MAX / 4), argc > 2 ? call_back : NULL), nexpected = 15000 + (argc > 2);
    require(ncaught == nexpected, "%d times out of memory, not %d\n", ncaught, nexpected);
    require(dlclose(plugin) == 0, "cannot close\n");
    require(api_verify() == 0, "broken laws\n");
    return 0;
}
