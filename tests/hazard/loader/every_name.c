/* every_name.c: each function of malloc's family, as a program finds it by name: it is the library's, it works, and its block
 * goes back by any way. Those that java, redis and others look up: malloc_info, mallinfo2, malloc_trim, mallopt with all that
 * mallopt(3) names. */
#include "api.h"
#include "support.h"

#include <dlfcn.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

static const char *libmspace;

/* The function of this name; it must be the library's, if that is there. */
static void *by_name(const char *name)
{
    Dl_info info;
    void *found = dlsym(RTLD_DEFAULT, name);
    if (!found) {
        require(!libmspace, "%s is not there\n", name);
        return NULL;
    }
    require(dladdr(found, &info) && (!libmspace || strcmp(info.dli_fname, libmspace) == 0), "%s is %s's\n", name, info.dli_fname);
    return found;
}

#define FUNCTION(type, function, ...)                                                                                            \
    type (*function)(__VA_ARGS__);                                                                                               \
    *(void **)&function = by_name(#function)

typedef void *taker(size_t size);

/* Every way to get a block with each way to give it back. */
static void pairs(void)
{
    static const char *const TAKE[] = {"malloc",        "valloc",         "pvalloc", "__libc_malloc",
                                       "__libc_valloc", "__libc_pvalloc", "_Znwm",   "_Znam"};
    static const char *const TAKE_TWO[] = {"calloc",          "__libc_calloc", "memalign",
                                           "__libc_memalign", "aligned_alloc", "reallocarray"};
    static const char *const GIVE[] = {"free",           "cfree",      "__libc_free",       "realloc",
                                       "__libc_realloc", "free_sized", "free_aligned_sized"};
    enum { NTAKE = 8, NTWO = 6, NGIVE = 7 };
    FUNCTION(size_t, malloc_usable_size, void *p);
    int npairs = 0;
    for (int t = 0; t < NTAKE + NTWO + 3; t++)
        for (int g = 0; g < NGIVE; g++) {
            char *block = NULL;
            const char *name = t < NTAKE ? TAKE[t] : t < NTAKE + NTWO ? TAKE_TWO[t - NTAKE] : "strdup";
            /* Who merely calls the family is libc's, and goes by name as well. */
            void *function = t < NTAKE + NTWO && strcmp(name, "reallocarray") != 0 ? by_name(name) : NULL;
            if (t < NTAKE) {
                if (!function) continue;
                block = ((taker *)function)(opaque(1000));
            } else if (t == NTAKE || t == NTAKE + 1) {
                if (!function) continue;
                block = ((void *(*)(size_t, size_t))function)(opaque(10), 100);
            } else if (t < NTAKE + 5) {
                if (!function) continue;
                block = ((void *(*)(size_t, size_t))function)(64, opaque(1024));
            } else if (t == NTAKE + 5) {
                block = reallocarray(NULL, opaque(10), 100);
            } else if (t == NTAKE + 6) {
                require(asprintf(&block, "%1000d", t) == 1000, "asprintf\n");
            } else if (t == NTAKE + 7) {
                block = strdup("a short word");
            } else {
                FUNCTION(int, posix_memalign, void **result, size_t alignment, size_t size);
                require(posix_memalign((void **)&block, 64, 1000) == 0, "posix_memalign\n");
            }
            require(block && malloc_usable_size(block) >= 13, "%s gave %p of %zu bytes\n", name, block,
                    malloc_usable_size(block));
            memset(block, 1, malloc_usable_size(block));
            void *give = by_name(GIVE[g]);
            if (!give) free(block);
            else if (g < 3) ((void (*)(void *))give)(block);
            else if (g < 5) require(((void *(*)(void *, size_t))give)(block, 0) == NULL, "%s(p, 0)\n", GIVE[g]);
            else if (g == 5) ((void (*)(void *, size_t))give)(block, 1000);
            else ((void (*)(void *, size_t, size_t))give)(block, 64, 1000);
            npairs++;
        }
    say("%d pairs\n", npairs);
}

static void statistics(void)
{
    FUNCTION(struct mallinfo, mallinfo, void);
    FUNCTION(struct mallinfo2, mallinfo2, void);
    FUNCTION(int, malloc_trim, size_t pad);
    FUNCTION(int, malloc_info, int options, FILE *file);
    FUNCTION(void, malloc_stats, void);
    enum { NBLOCKS = 5000 };
    static char *blocks[NBLOCKS];
    for (int i = 0; i < NBLOCKS; i++) blocks[i] = malloc(2000);
    struct mallinfo2 info = mallinfo2();
    require(info.uordblks >= (size_t)NBLOCKS * 2000, "mallinfo2: %zu bytes in use\n", info.uordblks);
    require((unsigned)mallinfo().uordblks >= NBLOCKS * 2000u, "mallinfo\n");
    for (int i = 0; i < NBLOCKS; i++) free(blocks[i]);
    require(mallinfo2().uordblks < info.uordblks, "mallinfo2 does not see what was freed\n");
    int trimmed = malloc_trim(0);
    require(trimmed == 0 || trimmed == 1, "malloc_trim: %d\n", trimmed);

    char text[20000] = "";
    FILE *file = fmemopen(text, sizeof text, "w");
    require(malloc_info(0, file) == 0 && fclose(file) == 0, "malloc_info\n");
    require(strncmp(text, "<malloc version=", 16) == 0 && strstr(text, "</malloc>"), "malloc_info wrote: %.100s\n", text);
    errno = 0;
    int saved = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY);
    dup2(null, STDERR_FILENO);
    malloc_stats();
    dup2(saved, STDERR_FILENO);
}

static void parameters(void)
{
    FUNCTION(int, mallopt, int parameter, int value);
    static const struct {
        int parameter, value;
    } KNOWN[] = {{M_MXFAST, 64},     {M_TRIM_THRESHOLD, 1 << 20}, {M_TOP_PAD, 1 << 16}, {M_MMAP_THRESHOLD, 1 << 20},
                 {M_MMAP_MAX, 1000}, {M_CHECK_ACTION, 3},         {M_PERTURB, 0},       {M_ARENA_TEST, 2},
                 {M_ARENA_MAX, 1}};
    for (size_t i = 0; i < sizeof KNOWN / sizeof *KNOWN; i++) {
        int result = mallopt(KNOWN[i].parameter, KNOWN[i].value);
        require(result == 1, "mallopt(%d, %d) is %d\n", KNOWN[i].parameter, KNOWN[i].value, result);
        free(malloc(1000)), free(malloc(3 << 20));
    }
}

int main(void)
{
    watchdog(60);
    Dl_info info;
    if (api_is_mspace()) {
        require(dladdr((void *)(uintptr_t)mspace_verify, &info), "dladdr\n");
        libmspace = info.dli_fname;
    }
    pairs();
    statistics();
    parameters();
    require(api_verify() == 0, "broken laws\n");
    return 0;
}
