/* deepbind.c - dlopen with RTLD_DEEPBIND.
 *
 * An object so opened binds to its own symbols and those of what it needs before it looks at anybody else's: to libc's free, too,
 * which dies of the first block of ours (php opens all its extensions like this). The flag is there for objects that bring a
 * symbol which the program has, too. So, under deepbind=auto, an object is
 *
 *      opened without the flag        where it makes no difference but for malloc
 *      opened with it, then rebound   where one of its references clashes with a definition in the program, or it needs another
 *                                     version of a library that is there: what it and its needs took of libc's malloc becomes
 *                                     ours when dlopen is done. Blocks of its constructors are libc's; they are known when they
 *                                     come to us.
 *
 * A clash is a symbol that the object refers to and defines, not weakly (a weak one is C++'s copy of what everybody has), and
 * that the global scope finds elsewhere than in libc. A file that is found by searching, not by its path, is not looked at, nor
 * rebound: the real dlopen searches, and expands $ORIGIN, for the object that its return address lies in, so it is jumped to, not
 * called. */
#include "deepbind.h"
#include "../src/base/text.h"
#include "../src/os/map.h"
#include "../src/os/options.h"
#include "../src/os/sys.h"
#include "cxx.h"
#include "lookup.h"
#include "next.h"
#include "rebind.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

void *dlopen(const char *path, int flags) __attribute__((visibility("default")));

static _Atomic(bool) is_kept;

bool deepbind_is_kept(void) { return atomic_load_explicit(&is_kept, memory_order_relaxed); }

void *next_dlopen(const char *path, int flags)
{
    static void *(*next)(const char *path, int flags); /* set more than once by threads, to the same */
    if (!next) *(void **)&next = lookup_next("dlopen");
    return next(path, flags);
}

/* A file, mapped as it is. Nothing in it is trusted: what does not lie inside reads as nothing. */
struct file {
    const char *bytes;
    size_t size;
};

static const void *at(const struct file *file, uint64_t offset, uint64_t nbytes)
{
    return offset <= file->size && nbytes <= file->size - offset ? file->bytes + offset : NULL;
}

static const char *string_at(const struct file *file, uint64_t offset)
{
    const char *string = at(file, offset, 1);
    for (const char *end = string; end && end < file->bytes + file->size; end++)
        if (!*end) return string;
    return NULL;
}

struct object {
    struct file file;
    const ElfW(Dyn) *entries; /* PT_DYNAMIC */
    size_t nentries;
    struct dynamic dynamic; /* what that says, with addresses turned into places in the file */
};

static uint64_t place_of(const struct file *file, uint64_t address)
{
    const ElfW(Ehdr) *header = at(file, 0, sizeof *header);
    const ElfW(Phdr) *part = at(file, header->e_phoff, header->e_phnum * sizeof *part);
    for (size_t i = 0; i < header->e_phnum; i++)
        if (part[i].p_type == PT_LOAD && address - part[i].p_vaddr < part[i].p_filesz)
            return address - part[i].p_vaddr + part[i].p_offset;
    return UINT64_MAX;
}

static bool read_object(struct object *object)
{
    const struct file *file = &object->file;
    const ElfW(Ehdr) *header = at(file, 0, sizeof *header);
    if (!header || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 || header->e_ident[EI_CLASS] != ELFCLASS64) return false;
    const ElfW(Phdr) *part = at(file, header->e_phoff, header->e_phnum * sizeof *part);
    if (!part) return false; /* cut off */
    for (size_t i = 0; i < header->e_phnum; i++) {
        if (part[i].p_type != PT_DYNAMIC) continue;
        object->entries = at(file, part[i].p_offset, part[i].p_filesz);
        object->nentries = object->entries ? part[i].p_filesz / sizeof *object->entries : 0;
    }
    struct dynamic *dynamic = &object->dynamic;
    rebind_read_dynamic(dynamic, object->entries, object->nentries);
    uint64_t *const address[] = {&dynamic->symbols, &dynamic->strings, &dynamic->table[0], &dynamic->table[1]};
    for (int i = 0; i < 4; i++) *address[i] = place_of(file, *address[i]);
    return object->nentries != 0;
}

/* --- the object's own references --- */

static bool clashes(const char *name)
{
    Dl_info found, libc;
    const void *address = lookup(RTLD_DEFAULT, name);
    return address && !next_is_own(address) && dladdr(address, &found) && dladdr((const void *)(uintptr_t)strlen, &libc) &&
           found.dli_fbase != libc.dli_fbase;
}

static bool brings_what_is_there(const struct object *object)
{
    for (int t = 0; t < 2; t++) {
        const ElfW(Rela) *entry = at(&object->file, object->dynamic.table[t], object->dynamic.nbytes[t]);
        for (size_t i = 0; entry && i < object->dynamic.nbytes[t] / sizeof *entry; i++) {
            const ElfW(Sym) *symbol =
                at(&object->file, object->dynamic.symbols + ELF64_R_SYM(entry[i].r_info) * sizeof *symbol, sizeof *symbol);
            if (!symbol || symbol->st_shndx == SHN_UNDEF || ELF64_ST_BIND(symbol->st_info) != STB_GLOBAL) continue;
            const char *name = string_at(&object->file, object->dynamic.strings + symbol->st_name);
            if (name && *name && clashes(name)) return true;
        }
    }
    return false;
}

/* --- what it needs --- */

/* The length of libssl.so in libssl.so.3: what two versions of a library share. */
static size_t stem(const char *name)
{
    for (const char *end = name; *end; end++)
        if (text_behind(".so", end)) return (size_t)(end - name) + 3;
    return strlen(name);
}

/* Stops at a loaded library that is another version of `name`. */
static int is_another_version(struct dl_phdr_info *loaded, size_t size, void *name)
{
    const char *other = text_base_name(loaded->dlpi_name);
    (void)size;
    return stem(other) == stem(name) && memcmp(other, name, stem(name)) == 0;
}

static bool needs_another_version(const struct object *object)
{
    for (size_t i = 0; i < object->nentries; i++) {
        if (object->entries[i].d_tag != DT_NEEDED) continue;
        const char *name = string_at(&object->file, object->dynamic.strings + object->entries[i].d_un.d_val);
        if (!name || !*name) continue;
        void *loaded = next_dlopen(name, RTLD_NOLOAD | RTLD_LAZY);
        if (loaded) dlclose(loaded);
        else if (dl_iterate_phdr(is_another_version, (void *)(uintptr_t)name)) return true;
    }
    return false;
}

/* --- the door --- */

static bool map_file(const char *path, struct file *file)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC); /* libc's, which a preloaded fakechroot(1) wraps as it does dlopen */
    long at = -1, size = fd < 0 ? 0 : os_call(SYS_lseek, fd, 0, SEEK_END, 0, 0, 0);
    if (size > 0) at = os_call(SYS_mmap, 0, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (fd >= 0) os_call(SYS_close, fd, 0, 0, 0, 0, 0);
    *file = (struct file){(const char *)at, (size_t)size};
    return at > 0;
}

static bool has(const char *string, char byte)
{
    while (*string && *string != byte) string++;
    return *string == byte;
}

/* Neither searched for nor expanded: the same file whoever asks. */
static bool is_path(const char *path) { return has(path, '/') && !has(path, '$'); }

static bool has_need_of_it(const char *path)
{
    struct object object = {.nentries = 0};
    if (!map_file(path, &object.file)) return false;
    bool has_need = read_object(&object) && (brings_what_is_there(&object) || needs_another_version(&object));
    os_unmap((void *)(uintptr_t)object.file.bytes, object.file.size);
    return has_need;
}

enum binding { AS_ASKED, CLEAR, REBIND };

static COLD enum binding choose(const char *path)
{
    void *loaded = next_dlopen(path, RTLD_LAZY | RTLD_NOLOAD);
    if (loaded) dlclose(loaded);
    if (loaded) return AS_ASKED; /* bound long since */
    bool may_look = is_path(path);
    if (options.deepbind == DEEPBIND_CLEAR) return CLEAR;
    if (options.deepbind == DEEPBIND_AUTO && !(may_look && has_need_of_it(path))) return CLEAR;
    atomic_store_explicit(&is_kept, true, memory_order_relaxed);
    return may_look ? REBIND : AS_ASKED;
}

void *dlopen(const char *path, int flags)
{
    /* Not by the plugin's operators, which would wait for the loader's lock: its constructor, which has that, may wait for their
     * thread. */
    if (next_has_all()) cxx_decide();
    if (UNLIKELY(flags & RTLD_DEEPBIND) && path && !next_has_all()) {
        enum binding binding = choose(path);
        if (binding == REBIND) return rebind_newcomers(next_dlopen(path, flags));
        if (binding == CLEAR) flags &= ~RTLD_DEEPBIND;
    }
    return next_dlopen(path, flags);
}
