/* by_handle.c: who opens libc and looks malloc's family up in it, as python's ctypes, ruby's Fiddle and java do, finds what
 * everybody else calls, so that blocks can be exchanged; with a handle of another object, what that defines. A missing name is an
 * error as ever.
 *     by_handle foreign       frees a block of libc's own
 *     by_handle same|apart PLUGIN     same: as the program's own references. apart: libc's own, since the library steps aside or is not there
 * PLUGIN is chain.c's: of RTLD_NEXT below. */
#include "api.h"
#include "support.h"

#include <dlfcn.h>

static const char *const FAMILY[] = {
    "malloc", "free", "calloc", "realloc", "reallocarray", "memalign", "aligned_alloc", "posix_memalign", "valloc", "pvalloc",
    "malloc_usable_size", "malloc_trim", "malloc_info", "malloc_stats", "mallinfo", "mallinfo2", "mallopt", "__libc_malloc",
    "__libc_free"};

static const char *object_of(const void *p)
{
    Dl_info info;
    return dladdr(p, &info) ? info.dli_fname : "nobody";
}

static void *found(void *handle, const char *name)
{
    void *address = dlsym(handle, name);
    require(address && !dlerror(), "%s is not there\n", name);
    return address;
}

/* One of each kind, there and back. */
static void exchange(void *libc)
{
    void *(*their_malloc)(size_t);
    void *(*their_realloc)(void *, size_t);
    void (*their_free)(void *);
    *(void **)&their_malloc = found(libc, "malloc");
    *(void **)&their_realloc = found(libc, "realloc");
    *(void **)&their_free = found(libc, "free");
    for (size_t size = 1; size < 5000000; size = size * 3 / 2 + 1) {
        their_free(api_malloc(size));
        their_free(strdup("made by libc"));
        their_free(their_realloc(api_malloc(size), size * 2));
        api_free(their_malloc(size));
    }
}

/* Which dlsym no longer gives. */
static void free_libcs_own(void *libc)
{
    void *(*libcs_malloc)(size_t);
    *(void **)&libcs_malloc = dlvsym(libc, "malloc", "GLIBC_2.2.5");
    if (libcs_malloc) free(libcs_malloc(100)), free(calloc(1, 100));
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "foreign") == 0) return free_libcs_own(dlopen("libc.so.6", RTLD_LAZY)), 0;
    require(argc == 3, "usage: by_handle same|apart PLUGIN\n");
    watchdog(60);
    bool is_same = strcmp(argv[1], "same") == 0;
    void *libc = dlopen("libc.so.6", RTLD_LAZY), *plugin = dlopen(argv[2], RTLD_NOW | RTLD_LOCAL);
    require(libc && plugin, "%s\n", dlerror());
    for (size_t i = 0; i < sizeof FAMILY / sizeof *FAMILY; i++) {
        void *mine = found(RTLD_DEFAULT, FAMILY[i]), *theirs = found(libc, FAMILY[i]);
        if (is_same) require(mine == theirs, "%s of %s, not of %s\n", FAMILY[i], object_of(theirs), object_of(mine));
        else require(strstr(object_of(theirs), "libc.so"), "%s of %s\n", FAMILY[i], object_of(theirs));
    }
    exchange(libc);
    require(found(libc, "strlen") == found(RTLD_DEFAULT, "strlen"), "another strlen\n");
    require(strcmp(object_of(found(plugin, "malloc_trim")), argv[2]) == 0, "the plugin's own malloc_trim was not found\n");
    require(!dlsym(libc, "malloc_trim_no_more"), "what does not exist was found\n");
    const char *error = dlerror();
    require(error && strstr(error, "malloc_trim_no_more"), "an error that says nothing: %s\n", error ? error : "none");
    require(!dlsym(plugin, "cfree_no_more") && dlerror() && !dlerror(), "not one error\n");
    require(api_verify() == 0, "broken laws\n");
    return 0;
}
