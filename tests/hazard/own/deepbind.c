/* A plugin opened with RTLD_DEEPBIND frees our blocks and gives us its own; one that brings a symbol which the program has, too,
 * or another version of a library, gets its own; a plugin is searched for where its caller asks.
 *     deepbind PLUGIN WHOSE [SEARCHER]     WHOSE: whose answer() the plugin is to call, own or program */
#include "plugin.h"
#include "api.h"
#include "support.h"

#include <dlfcn.h>

#ifndef ANSWER_IS_ELSEWHERE
int answer(void) { return PROGRAM; }
#endif

/* One of each kind, there and back. */
static void exchange(const struct plugin *plugin)
{
    for (size_t size = 1; size < 5000000; size = size * 3 / 2 + 1) {
        plugin->release(api_malloc(size));
        plugin->release(strdup("given"));
        char *taken = plugin->take(size);
        require(taken != NULL, "the plugin has no %zu bytes\n", size);
        taken = api_realloc(taken, size * 2);
        require(taken && taken[0] == 'p', "%zu bytes of the plugin's were lost\n", size);
        taken = plugin->resize(taken, size * 3);
        require(taken && taken[0] == 'p', "%zu bytes of its own were lost by the plugin\n", size);
        require(plugin->usable_size(taken) >= size * 3, "%zu bytes do not look like it to the plugin\n", size);
        api_free(taken);
        api_free(plugin->copy("of the plugin's"));
    }
}

int main(int argc, char **argv)
{
    require(argc >= 3, "usage: deepbind PLUGIN own|program [SEARCHER]\n");
    watchdog(60);
    require(answer() == PROGRAM, "the program calls another's answer()\n");
    require(dlopen("./no/such/file.so", RTLD_NOW | RTLD_DEEPBIND) == NULL, "a file that does not exist was opened\n");
    const char *error = dlerror();
    require(error && strstr(error, "no/such/file.so"), "an error that says nothing: %s\n", error ? error : "none");
    for (int round = 0; round < 3; round++) {
        void *handle = dlopen(argv[1], (round == 1 ? RTLD_NOW : RTLD_LAZY) | RTLD_DEEPBIND);
        require(handle, "%s\n", dlerror());
        require(dlerror() == NULL, "opened, and yet an error\n");
        const struct plugin *plugin = dlsym(handle, "plugin");
        require(plugin, "%s\n", dlerror());
        int whose = plugin->ask();
        require(whose == (strcmp(argv[2], "own") == 0 ? OWN : PROGRAM), "the plugin calls the answer() of %s\n",
                whose == OWN ? "its own" : "the program");
        exchange(plugin);
        require(dlclose(handle) == 0, "cannot be closed\n");
    }
    require(api_verify() == 0, "broken laws\n");
    if (argc < 4) return 0;

    /* Of a library with a RUNPATH of its own: by name, and from where it lies itself. */
    void *handle = dlopen(argv[3], RTLD_NOW);
    void *(*search)(const char *name) = NULL;
    require(handle, "%s\n", dlerror());
    *(void **)&search = dlsym(handle, "search");
    require(search, "%s\n", dlerror());
    require(search("hazard_found.so"), "not found by its caller's RUNPATH: %s\n", dlerror());
    require(search("$ORIGIN/sub/hazard_found.so"), "not found where its caller lies: %s\n", dlerror());
    require(dlopen("hazard_found.so", RTLD_NOW | RTLD_DEEPBIND | RTLD_NOLOAD), "not known when loaded\n");
    return 0;
}
