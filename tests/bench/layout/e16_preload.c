/* e16_preload.c - E16: what is preloaded. Two pieces, chosen by macro:
 *
 *      OPERATORS 1   operator new and delete that jump straight to malloc and free. Without them libstdc++'s own run, which call
 *                    malloc through the PLT, test for NULL, and reach free by two or three jumps.
 *      OPERATORS 2   the same as the fast path itself, not a jump to it (needs HEAP): the most that there is to win.
 *      HEAP 1        malloc, free and kin on the stub heap, glibc's above 32 KiB; one thread only.
 * Out of memory is not handled: the experiment asks for the price of the ordinary case. */
#ifndef HEAP
#define HEAP 0
#endif
#ifndef OPERATORS
#define OPERATORS 0
#endif
#if HEAP
#define TAG 1
#define AT_FREE AT_FREE_HEAD
#define FUSED 1
#define SUM 2
#include "stub.h"
#include <string.h>
#define PUBLIC __attribute__((visibility("default")))

void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
void __libc_free(void *);

static __attribute__((noinline)) void *other_malloc(size_t size)
{
    if (stub_heap || size > SMALL_MAX) return __libc_malloc(size);
    stub_init();
    return stub_malloc_fast(size);
}

static __attribute__((noinline)) void other_free(void *p) { __libc_free(p); }

INLINE void *any_malloc(size_t size)
{
    if (UNLIKELY(!stub_heap)) return other_malloc(size);
    if (UNLIKELY(size > SMALL_MAX)) return other_malloc(size);
    return stub_malloc_fast(size);
}

INLINE void any_free(void *p)
{
    if (UNLIKELY(!stub_free_fast(p))) other_free(p);
}

PUBLIC void *malloc(size_t size) { return any_malloc(size); }
PUBLIC void free(void *p) { any_free(p); }

PUBLIC void *calloc(size_t n, size_t size)
{
    if (n * size > SMALL_MAX) return __libc_calloc(n, size);
    return memset(malloc(n * size), 0, n * size);
}

PUBLIC void *realloc(void *p, size_t size)
{
    size_t index = ((uintptr_t)p - (uintptr_t)range.base) >> SLICE_SHIFT;
    if (p && index >= range.limit) return __libc_realloc(p, size);
    void *q = malloc(size);
    if (p) {
        size_t old = range.descs[index].size;
        memcpy(q, p, old < size ? old : size);
        free(p);
    }
    return q;
}
#else
#include <stdlib.h>
#define PUBLIC __attribute__((visibility("default")))
#define any_malloc malloc
#define any_free free
#endif

#if OPERATORS == 1
#define NEW malloc
#define DELETE free
#else
#define NEW any_malloc
#define DELETE any_free
#endif

#if OPERATORS
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
PUBLIC void *_Znwm(size_t n) { return NEW(n); } /* operator new(size_t) */
PUBLIC void *_Znam(size_t n) { return NEW(n); } /* operator new[](size_t) */
PUBLIC void _ZdlPv(void *p) { DELETE(p); } /* operator delete(void *) */
PUBLIC void _ZdaPv(void *p) { DELETE(p); }
PUBLIC void _ZdlPvm(void *p, size_t n)
{
    (void)n;
    DELETE(p);
} /* operator delete(void *, size_t) */
PUBLIC void _ZdaPvm(void *p, size_t n)
{
    (void)n;
    DELETE(p);
}
#endif
