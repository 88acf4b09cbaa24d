#include "cxx.h"
#include "../src/base/text.h"
#include "deepbind.h"
#include "guard.h"
#include "lookup.h"
#include "next.h"

#include <dlfcn.h>
#include <link.h>
#include <stdatomic.h>

/* Every C++ run-time defines it, and one relocation tells: a C program pays for no look-up by name. */
extern void __cxa_throw(void) __attribute__((weak));

static const char *const NAME[NCXX] = {
    "_Znwm",
    "_Znam",
    "_ZnwmRKSt9nothrow_t",
    "_ZnamRKSt9nothrow_t",
    "_ZnwmSt11align_val_t",
    "_ZnamSt11align_val_t",
    "_ZnwmSt11align_val_tRKSt9nothrow_t",
    "_ZnamSt11align_val_tRKSt9nothrow_t",
    "_ZdlPv",
    "_ZdaPv",
    "_ZdlPvm",
    "_ZdaPvm",
    "_ZdlPvRKSt9nothrow_t",
    "_ZdaPvRKSt9nothrow_t",
    "_ZdlPvSt11align_val_t",
    "_ZdaPvSt11align_val_t",
    "_ZdlPvmSt11align_val_t",
    "_ZdaPvmSt11align_val_t",
    "_ZdlPvSt11align_val_tRKSt9nothrow_t",
    "_ZdaPvSt11align_val_tRKSt9nothrow_t",
};

bool cxx_serves;
static _Atomic(bool) is_decided;
static _Atomic(void *) next[NCXX];
static struct {
    _Atomic(void *) malloc, aligned_alloc;
} elsewhere; /* the first of the process */

static bool is_runtime(const char *path)
{
    static const char *const PREFIX[] = {"libstdc++.so", "libc++.so", "libc++abi.so", "libcxxrt.so"};
    const char *name = text_base_name(path);
    for (size_t i = 0; i < sizeof PREFIX / sizeof *PREFIX; i++)
        if (text_behind(PREFIX[i], name)) return true;
    return false;
}

/* The first definition in the process is not ours. */
static bool is_interposed(const char *name)
{
    void *first = lookup(RTLD_DEFAULT, name);
    return first && !next_is_own(first) && !next_is_stub(first);
}

/* One walk over the objects: whose are the ops behind ours? */
struct search {
    void *malloc;      /* the next one, which ours takes the place of; else NULL */
    void *found[NCXX]; /* the next ops; those that are to be passed over become NULL */
    bool is_replaced;
};

static bool has(const struct dl_phdr_info *object, const void *p)
{
    for (size_t i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        if (part->p_type == PT_LOAD && (uintptr_t)p - object->dlpi_addr - part->p_vaddr < part->p_memsz) return true;
    }
    return false;
}

static int judge(struct dl_phdr_info *object, size_t size, void *argument)
{
    struct search *search = argument;
    (void)size;
    if (is_runtime(object->dlpi_name)) return 0;
    bool is_allocator = search->malloc && has(object, search->malloc);
    for (int i = 0; i < NCXX; i++) {
        if (!search->found[i] || !has(object, search->found[i])) continue;
        if (is_allocator) search->found[i] = NULL;
        else search->is_replaced = true;
    }
    return 0;
}

static void look_behind_us(struct search *search)
{
    for (int i = 0; i < NCXX; i++) {
        search->is_replaced |= is_interposed(NAME[i]);
        search->found[i] = lookup_next(NAME[i]);
    }
    dl_iterate_phdr(judge, search);
}

/* All forward: a missing operator is what a run-time would make of it. */
static void fill_gaps(struct search *search)
{
    void *first_free = lookup(RTLD_DEFAULT, "free");
    for (int i = CXX_DELETE; i < NCXX; i++) {
        if (!search->found[i] && i < CXX_DELETE_ALIGNED) search->found[i] = search->found[CXX_DELETE];
        if (!search->found[i]) search->found[i] = first_free;
    }
    atomic_store_explicit(&elsewhere.malloc, lookup(RTLD_DEFAULT, "malloc"), memory_order_relaxed);
    atomic_store_explicit(&elsewhere.aligned_alloc, lookup(RTLD_DEFAULT, "aligned_alloc"), memory_order_relaxed);
}

/* Several threads may decide at once: they find, and store, the same. */
static bool decide(bool has_malloc)
{
    struct search search = {.is_replaced = false};
    guard_enter();
    if (__cxa_throw) {
        if (has_malloc) search.malloc = lookup_next("malloc");
        look_behind_us(&search);
    }
    bool serves = has_malloc && !search.is_replaced;
    if (!serves) fill_gaps(&search);
    if (__cxa_throw || !serves) dlerror(); /* what was looked for in vain is nobody's error */
    guard_leave();
    for (int i = 0; i < NCXX; i++) atomic_store_explicit(&next[i], search.found[i], memory_order_relaxed);
    return serves;
}

COLD bool cxx_decide(void)
{
    if (atomic_load_explicit(&is_decided, memory_order_acquire)) return cxx_serves;
    bool serves = decide(!next_has_all());
    __atomic_store_n(&cxx_serves, serves, __ATOMIC_RELAXED);
    atomic_store_explicit(&is_decided, true, memory_order_release);
    return serves;
}

/* Before anybody's C++ runs, and before there are threads that could hold the loader's lock. A C program decides when a plugin
 * calls an operator, for which nothing is looked up if malloc is ours; else when it opens the plugin (deepbind.c). */
__attribute__((constructor)) static void decide_at_start(void)
{
    if (__cxa_throw) cxx_decide();
}

union cxx_next cxx_next(enum cxx_operator op) { return (union cxx_next){atomic_load_explicit(&next[op], memory_order_relaxed)}; }

void *cxx_elsewhere(size_t size, size_t alignment)
{
    union {
        void *address;
        void *(*malloc)(size_t);
        void *(*aligned_alloc)(size_t, size_t);
    } call;
    call.address = atomic_load_explicit(alignment ? &elsewhere.aligned_alloc : &elsewhere.malloc, memory_order_relaxed);
    if (!call.address) return NULL;
    return alignment ? call.aligned_alloc(alignment, size) : call.malloc(size);
}

/* A name as one object and those it needs define it; never ours. */
static void *look_up(const char *object, const char *name)
{
    guard_enter();
    void *handle = object ? next_dlopen(object, RTLD_NOLOAD | RTLD_LAZY) : NULL;
    void *found = handle ? lookup(handle, name) : NULL;
    if (handle) dlclose(handle); /* our count of it, not the last: it is in use */
    guard_leave();
    return next_is_own(found) ? NULL : found;
}

static const char *object_of(const void *p)
{
    Dl_info info;
    return p && dladdr(p, &info) ? info.dli_fname : NULL;
}

static int take_runtime(struct dl_phdr_info *object, size_t size, void *argument)
{
    (void)size;
    if (!is_runtime(object->dlpi_name)) return 0;
    *(const char **)argument = object->dlpi_name;
    return 1;
}

static void *find(const char *name, const void *caller, bool *may_keep)
{
    void *scoped = look_up(object_of(caller), name);
    const char *runtime = object_of(scoped);
    if (!runtime || !is_runtime(runtime)) {
        runtime = NULL;
        dl_iterate_phdr(take_runtime, &runtime);
        void *any = look_up(runtime, name);
        if (!any) return scoped;
        scoped = any;
    }
    *may_keep = next_dlopen(runtime, RTLD_NOLOAD | RTLD_LAZY | RTLD_NODELETE) != NULL; /* stays for good */
    return scoped;
}

COLD union cxx_next cxx_find(enum cxx_operator op, const void *caller)
{
    union cxx_next known = cxx_next(op);
    if (known.address) return known;
    bool may_keep = false;
    guard_enter();
    void *found = find(NAME[op], caller, &may_keep);
    dlerror();
    guard_leave();
    if (may_keep) atomic_store_explicit(&next[op], found, memory_order_relaxed);
    return (union cxx_next){found};
}
