/* A program with a malloc family of its own, exported: headed blocks out of one big array, so that any other allocator's
 * block that is released here, or the other way round, is seen. A C++ shared object works across. */
#include "support.h"

#include <dlfcn.h>
#include <errno.h>

enum { ARENA = 256 << 20, HEADER = 16 };
static const size_t MAGIC = 0x5ca1ab1e;

static char *arena;
static size_t used;
static long nlive, ncalls;

struct made;
extern void work_make(struct made *made);
extern char *strings_make(void);
extern int strings_release(char *given, void *bare);

static void *take(size_t size, size_t alignment)
{
    if (!arena) arena = mmap(NULL, ARENA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    size_t from = (used + HEADER + alignment - 1) & ~(alignment - 1);
    if (size > ARENA - from) return NULL;
    used = from + ((size + HEADER - 1) & ~(size_t)(HEADER - 1));
    ((size_t *)(void *)(arena + from))[-1] = MAGIC;
    ((size_t *)(void *)(arena + from))[-2] = size;
    nlive++, ncalls++;
    return arena + from;
}

void *malloc(size_t size) { return take(size, HEADER); }
void *calloc(size_t n, size_t size) { return take(n * size, HEADER); }
void *aligned_alloc(size_t alignment, size_t size) { return take(size, alignment < HEADER ? HEADER : alignment); }
void *memalign(size_t alignment, size_t size);
void *memalign(size_t alignment, size_t size) { return aligned_alloc(alignment, size); }
int posix_memalign(void **result, size_t alignment, size_t size)
{
    return (*result = aligned_alloc(alignment, size)) ? 0 : ENOMEM;
}

void free(void *p)
{
    if (!p) return;
    require((char *)p >= arena && (char *)p < arena + ARENA, "%p is not this program's own\n", p);
    require(((size_t *)p)[-1] == MAGIC, "%p is no block\n", p);
    ((size_t *)p)[-1] = 0;
    nlive--;
}

void *realloc(void *p, size_t size)
{
    void *block = malloc(size);
    if (!p || !block) return block;
    size_t old = ((size_t *)p)[-2];
    memcpy(block, p, old < size ? old : size);
    free(p);
    return block;
}

int main(int argc, char **argv)
{
    watchdog(60);
    if (argc == 2) {
        void *plugin = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
        require(plugin, "%s\n", dlerror());
        int (*run)(size_t, void *(*)(size_t));
        *(void **)&run = dlsym(plugin, "plugin_run");
        require(run && run(opaque(SIZE_MAX / 4), NULL) == 15000, "the plugin\n");
        return 0;
    }
    long before = nlive, calls_before = ncalls;
    char *text = strings_make();
    require(strcmp(text, "one for free") == 0, "strdup\n");
    free(text);
    require(strings_release(strdup("a block of the program"), malloc(100)) == 0, "across\n");
    require(ncalls - calls_before > 10000, "new does not reach the program's malloc\n");
    require(nlive == before, "%ld blocks left\n", nlive - before);
    return 0;
}
