#include "next.h"
#include "../src/api/life.h"
#include "../src/os/options.h"
#include "../src/os/sys.h"
#include "../src/span/class.h"
#include "deepbind.h"
#include "exports.h"
#include "guard.h"
#include "lookup.h"

#include <dlfcn.h>
#include <link.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>

/* Defined by the run-time of an instrumented program that brings an allocator: of AddressSanitizer, LeakSanitizer,
 * ThreadSanitizer, MemorySanitizer. */
extern int __sanitizer_get_ownership(const volatile void *p) __attribute__((weak));

enum { UNDECIDED, SERVES, FORWARDS };
static _Atomic(int) decision;

extern const ElfW(Ehdr) __ehdr_start HIDDEN; /* our own mapping, from the linker */
extern char _end[] HIDDEN;

bool next_is_own(const void *p) { return (uintptr_t)p - (uintptr_t)&__ehdr_start < (uintptr_t)_end - (uintptr_t)&__ehdr_start; }

#pragma weak dladdr1 /* not in musl, which has no such stubs */
COLD bool next_is_stub(const void *address)
{
    Dl_info info; /* dladdr allocates nothing, and the loader's lock, should it be held, is this thread's */
    ElfW(Sym) *symbol = NULL;
    return dladdr1 && dladdr1(address, &info, (void **)&symbol, RTLD_DL_SYMENT) && symbol && symbol->st_shndx == SHN_UNDEF;
}

/* The dynamic linker has bound our own references to the first definition in the process. If that is not ours, somebody else
 * owns malloc. The addresses come through the GOT: no -Bsymbolic, or the answer would always be ours. */
static bool is_interposed(void)
{
    void *(*volatile first_malloc)(size_t) = malloc;
    void (*volatile first_free)(void *) = free;
    bool is_our_malloc = first_malloc == own_malloc || next_is_stub((const void *)(uintptr_t)first_malloc);
    bool is_our_free = first_free == own_free || next_is_stub((const void *)(uintptr_t)first_free);
    return !is_our_malloc || !is_our_free;
}

static COLD bool decide(void)
{
    life_check();
    bool forwards = is_interposed() || __sanitizer_get_ownership || options.disable ||
                    (process.name && option_list_has(&options.skip, process.name));
    atomic_store_explicit(&decision, forwards ? FORWARDS : SERVES, memory_order_relaxed);
    return forwards;
}

bool next_has_all(void)
{
    int known = atomic_load_explicit(&decision, memory_order_relaxed);
    return UNLIKELY(known == UNDECIDED) ? decide() : known == FORWARDS;
}

/* The break area, where libc's own malloc begins: from the end of the program's data to the break as it is now. Where its last
 * segment ends, its headers tell: PT_PHDR how far it was loaded from where it was linked. A program that was named to ld.so lies
 * above all of the break. */
static bool is_in_break(const void *pointer)
{
    const ElfW(Phdr) *header = (const void *)getauxval(AT_PHDR);
    uintptr_t p = (uintptr_t)pointer, shift = 0, end = 0, now = (uintptr_t)os_call(SYS_brk, 0, 0, 0, 0, 0, 0);
    for (size_t i = 0, n = getauxval(AT_PHNUM); i < n; i++) {
        if (header[i].p_type == PT_PHDR) shift = (uintptr_t)header - header[i].p_vaddr;
        if (header[i].p_type == PT_LOAD) end = max_size(end, header[i].p_vaddr + header[i].p_memsz);
    }
    return p < now && (p >= shift + end || shift + end > now);
}

/* A mapping that libc's malloc made for one block: in front of that, at the start of a page, nothing and its length, marked as
 * mapped. To read what a program says is a block may be a crime too many; the system is asked first to read the page (Linux 5.14;
 * where it cannot, it is no mapping). */
static bool is_mapped_by_libc(const void *p)
{
    enum { IS_MAPPED = 2, POPULATE_READ = 22 };
    const size_t *header = (const size_t *)p - 2;
    if ((uintptr_t)header % PAGE || os_call(SYS_madvise, (long)header, PAGE, POPULATE_READ, 0, 0, 0) != 0) return false;
    return header[0] == 0 && header[1] > PAGE && header[1] % PAGE == IS_MAPPED;
}

/* Blocks of libc's malloc reach us from code that bound to it directly, and from before we were there: from its break
 * area, as mappings of their own, and from anywhere if this library came late or an object was opened so as to bind to libc. */
bool next_may_own(const void *p) { return life_came_late || deepbind_is_kept() || is_in_break(p) || is_mapped_by_libc(p); }

COLD const struct next *next_get(void)
{
    static struct next next;
    static _Atomic(bool) is_known;
    if (atomic_load_explicit(&is_known, memory_order_acquire)) return &next;
    if (guard_is_inside()) return NULL;
    guard_enter();
    /* Several threads may look up at once: they find, and store, the same. */
    *(void **)&next.malloc = lookup_next("malloc");
    *(void **)&next.free = lookup_next("free");
    *(void **)&next.calloc = lookup_next("calloc");
    *(void **)&next.realloc = lookup_next("realloc");
    *(void **)&next.memalign = lookup_next("memalign");
    *(void **)&next.malloc_usable_size = lookup_next("malloc_usable_size");
    *(void **)&next.mallopt = lookup_next("mallopt");
    *(void **)&next.malloc_trim = lookup_next("malloc_trim");
    *(void **)&next.mallinfo = lookup_next("mallinfo");
    *(void **)&next.mallinfo2 = lookup_next("mallinfo2");
    *(void **)&next.malloc_stats = lookup_next("malloc_stats");
    *(void **)&next.malloc_info = lookup_next("malloc_info");
    if (!next.mallinfo2 || !next.malloc_info) dlerror(); /* what was looked for in vain is nobody's error */
    guard_leave();
    if (!next.malloc || !next.free || !next.calloc || !next.realloc || !next.memalign || !next.malloc_usable_size) return NULL;
    atomic_store_explicit(&is_known, true, memory_order_release);
    return &next;
}
