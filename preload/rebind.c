/* rebind.c - references to libc's malloc, made ours after the loader has bound them.
 *
 * Of an object and of all that was loaded with it, whose own scope comes before everybody's: each word that a relocation filled
 * with libc's malloc, or with the stub that would look it up at the first call, is overwritten, also where it has been made
 * read-only since. An object that brings an allocator of its own keeps that. */
#include "rebind.h"
#include "../src/os/sys.h"
#include "../src/span/class.h"
#include "lookup.h"

#include <dlfcn.h>
#include <sys/mman.h>
#include <sys/syscall.h>

void rebind_read_dynamic(struct dynamic *dynamic, const ElfW(Dyn) *entry, size_t n)
{
    for (; n && entry->d_tag != DT_NULL; entry++, n--) {
        switch (entry->d_tag) {
        case DT_SYMTAB: dynamic->symbols = entry->d_un.d_ptr; break;
        case DT_STRTAB: dynamic->strings = entry->d_un.d_ptr; break;
        case DT_RELA: dynamic->table[0] = entry->d_un.d_ptr; break;
        case DT_RELASZ: dynamic->nbytes[0] = entry->d_un.d_val; break;
        case DT_JMPREL: dynamic->table[1] = entry->d_un.d_ptr; break;
        case DT_PLTRELSZ: dynamic->nbytes[1] = entry->d_un.d_val; break;
        default: break;
        }
    }
}

/* Of an object that is loaded, `shift` above where it was linked: there its dynamic section holds addresses. */
static void rebind(const struct dynamic *dynamic, uintptr_t shift, void *scope)
{
    const ElfW(Sym) *symbols = (const void *)dynamic->symbols;
    for (int t = 0; t < 2; t++) {
        const ElfW(Rela) *entry = (const void *)dynamic->table[t];
        for (size_t i = 0; i < dynamic->nbytes[t] / sizeof *entry; i++) {
            const ElfW(Sym) *symbol = &symbols[ELF64_R_SYM(entry[i].r_info)];
            if (symbol->st_name == 0 || symbol->st_shndx != SHN_UNDEF || entry[i].r_addend != 0) continue;
            const char *name = (const char *)dynamic->strings + symbol->st_name;
            /* not of malloc's family, or another allocator's, that the object brings */
            if (!lookup_is_family(name) || lookup(scope, name) != lookup_next(name)) continue;
            __atomic_store_n((void **)(shift + entry[i].r_offset), lookup(RTLD_DEFAULT, name), __ATOMIC_RELAXED);
        }
    }
}

/* Those that came with an object stand behind it. Others that do are bound to us already, and lose nothing. */
struct newcomers {
    struct link_map *first;
    bool is_reached;
};

static int rebind_newcomer(struct dl_phdr_info *object, size_t size, void *argument)
{
    struct newcomers *newcomers = argument;
    struct dynamic dynamic = {.symbols = 0};
    uintptr_t relro = 0, end = 0;
    (void)size;
    newcomers->is_reached |= object->dlpi_addr == newcomers->first->l_addr;
    if (!newcomers->is_reached) return 0;
    for (size_t i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        uintptr_t start = object->dlpi_addr + part->p_vaddr;
        if (part->p_type == PT_DYNAMIC) rebind_read_dynamic(&dynamic, (const void *)start, part->p_memsz / sizeof(ElfW(Dyn)));
        if (part->p_type == PT_GNU_RELRO)
            relro = start & ~(uintptr_t)(PAGE - 1), end = (start + part->p_memsz) & ~(uintptr_t)(PAGE - 1);
    }
    if (!dynamic.symbols || !dynamic.strings) return 0;
    if (relro < end && os_call(SYS_mprotect, (long)relro, (long)(end - relro), PROT_READ | PROT_WRITE, 0, 0, 0) != 0)
        return 0; /* forbidden: libc's malloc it is */
    rebind(&dynamic, object->dlpi_addr, newcomers->first);
    if (relro < end) os_call(SYS_mprotect, (long)relro, (long)(end - relro), PROT_READ, 0, 0, 0);
    return 0;
}

COLD void *rebind_newcomers(void *handle)
{
    struct newcomers newcomers = {handle, false};
    if (!handle) return NULL;
    dl_iterate_phdr(rebind_newcomer, &newcomers);
    dlerror(); /* what was looked for in vain is nobody's error */
    return handle;
}
