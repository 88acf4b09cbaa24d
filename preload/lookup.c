/* lookup.c - dlsym: how this library looks names up, and what others find by a handle.
 *
 * Who asks a handle of libc for free (python's ctypes, ruby's Fiddle, java) would get libc's own, which dies of the first block
 * of ours, be it one that libc's strdup made. It gets what its references are bound to, ours. What another object defines stays,
 * and so does what libc defines in another namespace.
 *
 * All other questions go on to the next dlsym, which may be that of a library that takes it over. They are jumped on, not called:
 * by its return address the real one knows whose next definition is meant.
 *
 * We ourselves ask libc's. A library that takes dlsym over, and calls the real one, is told what stands behind itself: as the
 * next dlopen we would find our own. So libc's dlsym is read out of the tables of what is loaded, where nobody can answer for it.
 * They are walked without a lock, but only as far as libc: what was loaded at start stays. */
#include "lookup.h"
#include "../src/base/text.h"
#include "next.h"

#include <dlfcn.h>
#include <link.h>
#include <string.h>

void *dlsym(void *restrict handle, const char *restrict name) __attribute__((visibility("default")));

typedef void *finder(void *scope, const char *name);

/* The loader's list for debuggers: of glibc's, and of musl's. */
#pragma weak _r_debug
extern struct r_debug *_dl_debug_addr __attribute__((weak));

/* Of its dynamic section. glibc has turned places into addresses there, musl has not; of an object that lies below where it was
 * linked they are lower. */
static const void *place_of(const struct link_map *object, ElfW(Sxword) tag)
{
    const ElfW(Dyn) *entry = object->l_ld;
    while (entry->d_tag != tag && entry->d_tag != DT_NULL) entry++;
    if (entry->d_tag == DT_NULL) return NULL;
    return (const void *)(entry->d_un.d_ptr +
                          (entry->d_un.d_ptr < object->l_addr && object->l_addr >> 47 == 0 ? object->l_addr : 0));
}

static bool is_same(const char *name, const char *other)
{
    const char *rest = text_behind(name, other);
    return rest && !*rest;
}

/* The old hash table's second word counts the symbols. */
static void *defined_by_plainly(const struct link_map *object, const ElfW(Sym) *symbols, const char *strings, const char *name)
{
    const uint32_t *table = place_of(object, DT_HASH);
    for (uint32_t i = 0; table && i < table[1]; i++)
        if (symbols[i].st_shndx != SHN_UNDEF && is_same(strings + symbols[i].st_name, name))
            return (void *)(object->l_addr + symbols[i].st_value);
    return NULL;
}

/* GNU's hash table: 4 words, of which the first three count buckets, symbols that it leaves out, and words of a filter; the
 * filter; the buckets, each the first symbol of a chain; a hash for each symbol that is not left out, odd for the last of a
 * chain. */
static void *defined_by(const struct link_map *object, const char *name)
{
    const uint32_t *table = place_of(object, DT_GNU_HASH);
    const ElfW(Sym) *symbols = place_of(object, DT_SYMTAB);
    const char *strings = place_of(object, DT_STRTAB);
    if (!symbols || !strings || (table && !table[0])) return NULL;
    if (!table) return defined_by_plainly(object, symbols, strings, name);
    uint32_t hash = 5381;
    for (const char *letter = name; *letter; letter++) hash = hash * 33 + (unsigned char)*letter;
    const uint32_t *buckets = table + 4 + table[2] * sizeof(ElfW(Addr)) / sizeof *table, *hashes = buckets + table[0] - table[1];
    uint32_t i = buckets[hash % table[0]];
    if (i < table[1]) return NULL;
    do {
        if ((hashes[i] | 1) == (hash | 1) && symbols[i].st_shndx != SHN_UNDEF && is_same(strings + symbols[i].st_name, name))
            return (void *)(object->l_addr + symbols[i].st_value);
    } while (!(hashes[i++] & 1));
    return NULL;
}

static const struct link_map *first_loaded(void)
{
    const struct r_debug *loaded = &_r_debug ? &_r_debug : &_dl_debug_addr ? _dl_debug_addr : NULL;
    return loaded ? loaded->r_map : NULL;
}

/* Nobody takes that over. */
static bool is_libc(const struct link_map *object) { return defined_by(object, "getauxval") != NULL; }

static void *libcs(const char *name)
{
    const struct link_map *object = first_loaded();
    while (object && !is_libc(object)) object = object->l_next;
    return object ? defined_by(object, name) : NULL;
}

SLOW void *lookup(void *scope, const char *name)
{
    static finder *real; /* set more than once by threads, to the same */
    if (!real) *(void **)&real = libcs("dlsym");
    return real ? real(scope, name) : NULL;
}

SLOW void *lookup_next(const char *name)
{
    void *found = lookup(RTLD_NEXT, name);
    return next_is_own(found) ? NULL : found;
}

bool lookup_is_family(const char *name)
{
    static const char FAMILY[] =
        "malloc\0free\0calloc\0realloc\0reallocarray\0memalign\0aligned_alloc\0posix_memalign\0valloc\0pvalloc\0cfree\0"
        "malloc_usable_size\0malloc_trim\0malloc_info\0malloc_stats\0mallinfo\0mallinfo2\0mallopt\0";
    const char *plain = text_behind("__libc_", name);
    for (const char *known = FAMILY; *known; known += strlen(known) + 1)
        if (is_same(known, plain ? plain : name)) return true;
    return false;
}

/* --- the door --- */

/* Whether another library before libc takes the name over: it, or whoever asks for it, wants what it stands before, and might
 * call itself through us. */
static bool is_taken_over(const char *name)
{
    for (const struct link_map *object = first_loaded(); object && !is_libc(object); object = object->l_next) {
        const void *other = defined_by(object, name);
        if (other && !next_is_own(other)) return true;
    }
    return false;
}

void *dlsym(void *restrict handle, const char *restrict name)
{
    static finder *next; /* as above */
    if (UNLIKELY(!next)) *(void **)&next = lookup_next("dlsym");
    if (UNLIKELY(!next)) return NULL;
    if (LIKELY(handle == RTLD_DEFAULT || handle == RTLD_NEXT || !lookup_is_family(name)) || next_has_all())
        return next(handle, name);
    void *found = next(handle, name);
    bool is_ours = found && found == libcs(name) && !is_taken_over(name);
    return is_ours ? lookup(RTLD_DEFAULT, name) : found;
}
