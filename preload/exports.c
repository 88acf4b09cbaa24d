/* exports.c - the names that this library takes over, each a door to src/api.
 *
 *      malloc -- block_pop ------------------------------------> block
 *         \-- malloc_slow: small ones; others if malloc_next finds none in the current span, or that the thread has freed
 *                         \- guard: boot arena
 *                         \- forwarding: the next definition
 *                         \- alloc_malloc_slow
 *
 * Everything that is not the common case lies in the slow doors, where a thread arrives because its lists are empty: a
 * thread that is not ready, or that forwards, has no heap, so the fast paths test for none of it. */
#include "exports.h"
#include "../src/api/life.h"
#include "../src/guard/diagnose.h"
#include "../src/heap/large.h"
#include "../src/watch/watch.h"
#include "boot.h"
#include "doors.h"
#include "guard.h"
#include "next.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define ON_A_LINE __attribute__((aligned(CACHE_LINE))) /* where they fall by chance is up to 5 % of bench_mixed random */
#if __has_attribute(copy) /* gcc would have an alias look like its target; clang does not know the word */
#define COPY(name) __attribute__((copy(name)))
#else
#define COPY(name)
#endif
#define ALIAS(name) __attribute__((alias(#name), visibility("default"))) COPY(name)

/* By this pthread_atfork tells libc whose handlers they are. The compiler's start files, which we do without, define it. */
extern void *const __dso_handle HIDDEN;
void *const __dso_handle = (void *)(uintptr_t)&__dso_handle;

/* --- the slow doors --- */

COLD void *boot_or_shared(size_t size, size_t alignment)
{
    void *block = boot_alloc(size, alignment);
    return block ? block : alloc_memalign(alignment, size);
}

static SLOW void *malloc_slow(size_t size)
{
    if (UNLIKELY(guard_is_inside())) return boot_or_shared(size, GRANULE);
    if (UNLIKELY(next_has_all())) {
        const struct next *next = next_get();
        return next ? next->malloc(size) : boot_or_shared(size, GRANULE);
    }
    return alloc_malloc_slow(size);
}

static SLOW void *malloc_next(size_t size)
{
    void *block = alloc_malloc_next(size);
    return LIKELY(block != NULL) ? block : malloc_slow(size);
}

/* Who judges a pointer that is neither in the heap range nor in the boot arena: the next definition, or NULL, we do. */
static COLD const struct next *judge_of(const void *p)
{
    bool is_certain; /* that it is nobody's: on the stack, in this library, misaligned, not canonical */
    if (next_has_all()) return next_get();
    diagnose_outside(&process, p, &is_certain);
    return !is_certain && next_may_own(p) ? next_get() : NULL;
}

static COLD void free_foreign(const char *entry, void *p)
{
    if (boot_has(p)) return;
    const struct next *next = judge_of(p);
    if (next) next->free(p);
    else if (!guard_is_inside()) alloc_report_foreign(entry, p);
}

static SLOW void free_rest(void *p, const char *entry)
{
    if (UNLIKELY(!p)) return; /* C++ deletes NULL a lot */
    if (alloc_free_slow(entry, p) == ALLOC_FOREIGN) free_foreign(entry, p);
}

static SLOW void free_others(void *p, const char *entry)
{
    enum push pushed = alloc_push_others(p);
    if (LIKELY(pushed == PUSH_DONE)) return;
    if (pushed == PUSH_EVENT) alloc_event(p);
    else free_rest(p, entry);
}

/* A large block that the thread may have again, at once: with its malloc 165 instructions. */
SLOW void free_slow(void *p, const char *entry)
{
    if (!large_keep_again(p)) free_others(p, entry);
}

SLOW void free_seldom(void *p, const char *entry) { free_as(entry, p); }

static COLD void *calloc_slow(size_t bytes)
{
    const struct next *next = !guard_is_inside() && next_has_all() ? next_get() : NULL;
    if (next) return next->calloc(1, bytes);
    if (guard_is_inside() || next_has_all()) {
        void *block = boot_or_shared(bytes, GRANULE);
        return block ? memset(block, 0, bytes) : NULL;
    }
    return alloc_zeroed(bytes);
}

/* A block of somebody else's, or of the boot arena: moved here when it can be read, else passed on whole. */
static COLD void *realloc_foreign(void *p, size_t size)
{
    if (boot_has(p)) {
        void *block = malloc(size);
        return block ? memcpy(block, p, min_size(size, boot_size(p))) : NULL;
    }
    const struct next *next = judge_of(p);
    if (next) return next->realloc(p, size);
    alloc_report_foreign("realloc()", p);
    return alloc_refuse();
}

static COLD void *memalign_slow(size_t alignment, size_t size)
{
    const struct next *next = next_has_all() && !guard_is_inside() ? next_get() : NULL;
    if (next) return next->memalign(alignment, size);
    return guard_is_inside() ? boot_or_shared(size, alignment) : alloc_memalign(alignment, size);
}

/* Whether this thread takes the plain road: it has a heap. */
static bool is_served(void) { return LIKELY(thread.heap != 0); }

/* --- C11, POSIX --- */

EXPORT ON_A_LINE void *malloc(size_t size)
{
    void *block = block_pop(size);
    if (LIKELY(block != NULL)) return block;
    return size <= SMALL_MAX ? malloc_slow(size) : malloc_next(size);
}

EXPORT ON_A_LINE void free(void *p) { free_as("free()", p); }

EXPORT void *calloc(size_t count, size_t size)
{
    size_t bytes;
    if (UNLIKELY(__builtin_mul_overflow(count, size, &bytes))) return alloc_refuse();
    return is_served() ? alloc_zeroed(bytes) : calloc_slow(bytes);
}

EXPORT void *realloc(void *p, size_t size)
{
    if (!p) return malloc(size);
    if (UNLIKELY(!range_has(p))) return realloc_foreign(p, size);
    if (LIKELY(size != 0)) return alloc_resize("realloc()", p, size);
    free_seldom(p, "realloc()");
    return NULL;
}

/* libc's own would do, but behind us there may be an allocator that has one. Like libc's it asks whoever's realloc is first. */
EXPORT void *reallocarray(void *p, size_t count, size_t size)
{
    void *(*volatile first_realloc)(void *, size_t) = realloc;
    size_t bytes;
    return UNLIKELY(__builtin_mul_overflow(count, size, &bytes)) ? alloc_refuse() : first_realloc(p, bytes);
}

EXPORT void *memalign(size_t alignment, size_t size)
{
    return is_served() ? alloc_memalign(alignment, size) : memalign_slow(alignment, size);
}

EXPORT int posix_memalign(void **result, size_t alignment, size_t size)
{
    if (!is_power_of_two(alignment) || alignment % sizeof(void *)) return EINVAL;
    void *block = memalign(alignment, size);
    if (!block) return ENOMEM;
    *result = block;
    return 0;
}

/* C23 (N3054 7.24.3.5): the sizes are hints that we do not need and never trust. */
EXPORT void free_sized(void *p, size_t size)
{
    (void)size;
    free_seldom(p, "free_sized()");
}

EXPORT void free_aligned_sized(void *p, size_t alignment, size_t size)
{
    (void)alignment, (void)size;
    free_seldom(p, "free_aligned_sized()");
}

/* --- glibc --- */

EXPORT void *valloc(size_t size) { return memalign(PAGE, size); }

EXPORT void *pvalloc(size_t size)
{
    return UNLIKELY(size > PTRDIFF_MAX - PAGE) ? alloc_refuse() : memalign(PAGE, round_up(size, PAGE));
}

EXPORT size_t malloc_usable_size(void *p)
{
    if (!p) return 0;
    if (LIKELY(range_has(p))) return alloc_size_of(p);
    if (boot_has(p)) return boot_size(p);
    const struct next *next = judge_of(p);
    return next ? next->malloc_usable_size(p) : 0;
}

/* Whom to ask about the heap as a whole: the next definition, when it has every block, or NULL, us. */
static COLD const struct next *whole_next(void) { return next_has_all() ? next_get() : NULL; }

/* mallopt(3): every parameter is accepted, none has an equivalent; programs take 0 for a failure. */
EXPORT int mallopt(int parameter, int value)
{
    const struct next *next = whole_next();
    return next && next->mallopt ? next->mallopt(parameter, value) : 1;
}

EXPORT int malloc_trim(size_t pad)
{
    const struct next *next = whole_next();
    if (next && next->malloc_trim) return next->malloc_trim(pad);
    life_check();
    size_t inside = heap_trim(heap_own());
    large_give_all_kept();
    return purge_down_to(pad) + inside != 0;
}

EXPORT struct mallinfo2 mallinfo2(void)
{
    const struct next *next = whole_next();
    if (next && next->mallinfo2) return next->mallinfo2();
    struct watch_totals totals;
    life_check();
    watch_count(&totals);
    size_t free_bytes = totals.range - totals.live;
    return (struct mallinfo2){.arena = totals.range, .uordblks = totals.live, .fordblks = free_bytes, .keepcost = totals.dirty};
}

EXPORT struct mallinfo mallinfo(void)
{
    const struct next *next = whole_next();
    if (next && next->mallinfo) return next->mallinfo();
    struct mallinfo2 info = mallinfo2(); /* wraps past 2 GiB, as glibc's does */
    return (struct mallinfo){
        .arena = (int)info.arena, .uordblks = (int)info.uordblks, .fordblks = (int)info.fordblks, .keepcost = (int)info.keepcost};
}

EXPORT void malloc_stats(void)
{
    const struct next *next = whole_next();
    if (next && next->malloc_stats) {
        next->malloc_stats();
        return;
    }
    life_check();
    watch_print();
}

/* malloc_info(3): glibc's outermost elements, so that what reads them finds totals. */
EXPORT int malloc_info(int options_unused, FILE *stream)
{
    const struct next *next = whole_next();
    if (next && next->malloc_info) return next->malloc_info(options_unused, stream);
    if (options_unused != 0) return EINVAL; /* what glibc does; its manual says -1 and errno */
    struct watch_totals totals;
    life_check();
    watch_count(&totals);
    fprintf(stream, "<malloc version=\"1\">\n<total type=\"live\" count=\"%zu\" size=\"%zu\"/>\n", totals.nlive, totals.live);
    fprintf(stream, "<total type=\"rest\" count=\"0\" size=\"%zu\"/>\n", totals.dirty);
    fprintf(stream, "<system type=\"current\" size=\"%zu\"/>\n<system type=\"max\" size=\"%zu\"/>\n", totals.range, totals.range);
    fprintf(stream, "<aspace type=\"total\" size=\"%zu\"/>\n</malloc>\n", totals.range);
    return 0;
}

extern __typeof__(malloc) own_malloc __attribute__((alias("malloc"), visibility("hidden"))) COPY(malloc);
extern __typeof__(free) own_free __attribute__((alias("free"), visibility("hidden"))) COPY(free);

/* In glibc 2.36, too, whatever C11 once said of sizes that are no multiple. */
void *aligned_alloc(size_t alignment, size_t size) ALIAS(memalign);
void cfree(void *p) ALIAS(free);
void *__libc_malloc(size_t size) ALIAS(malloc);
void __libc_free(void *p) ALIAS(free);
void *__libc_calloc(size_t count, size_t size) ALIAS(calloc);
void *__libc_realloc(void *p, size_t size) ALIAS(realloc);
void *__libc_memalign(size_t alignment, size_t size) ALIAS(memalign);
void *__libc_valloc(size_t size) ALIAS(valloc);
void *__libc_pvalloc(size_t size) ALIAS(pvalloc);
