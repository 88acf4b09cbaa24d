/* Blocks of libc's malloc, of which a program has got hold by its version, come to everybody's free and realloc: out of the
 * break, and large ones, each a mapping of its own.
 *     foreign [again]     again: as a program that is named to ld.so, which lies elsewhere
 * Status 77: there is no such version, or the system cannot be asked whether a page may be read. */
#include "api.h"
#include "support.h"

#include <dlfcn.h>
#include <link.h>
#include <sys/auxv.h>

enum { POPULATE_READ = 22 };

static void start_again(const char *program)
{
    const ElfW(Phdr) *header = (const void *)getauxval(AT_PHDR);
    uintptr_t shift = 0;
    const char *loader = "no loader";
    for (size_t i = 0, n = getauxval(AT_PHNUM); i < n; i++) {
        if (header[i].p_type == PT_PHDR) shift = (uintptr_t)header - header[i].p_vaddr;
        if (header[i].p_type == PT_INTERP) loader = (const char *)(shift + header[i].p_vaddr);
    }
    execl(loader, loader, program, (char *)NULL);
    fail("cannot be started by %s\n", loader);
}

int main(int argc, char **argv)
{
    watchdog(60);
    if (argc > 1) start_again(argv[0]);
    static const char *const VERSION[] = {"GLIBC_2.2.5", "GLIBC_2.17"};
    void *(*their_malloc)(size_t) = NULL;
    void *libc = dlopen("libc.so.6", RTLD_LAZY), *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; libc && i < 2 && !their_malloc; i++) *(void **)&their_malloc = dlvsym(libc, "malloc", VERSION[i]);
    if (!their_malloc || madvise(page, 4096, POPULATE_READ) != 0) return 77;
    for (size_t size = 100; size < 20000000; size *= 3) {
        char *block = their_malloc(size);
        require(block && api_usable_size(block) >= size, "%zu bytes of libc's look like %zu\n", size, api_usable_size(block));
        block[0] = 't', block[size - 1] = 'T';
        block = api_realloc(block, size * 2);
        require(block && block[0] == 't' && block[size - 1] == 'T', "%zu bytes of libc's were lost\n", size);
        api_free(block);
        api_free(their_malloc(size));
    }
    require(api_verify() == 0, "broken laws\n");
    return 0;
}
