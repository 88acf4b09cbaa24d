/*
 * api.h: the one door through which every test calls the allocator under test.
 *
 * Without MSPACE_DIRECT these are the names of malloc(3) themselves, so that one binary runs under any preloaded allocator and
 * under plain glibc; what only libmspace has (verify, mspacec, mspacer) is a weak symbol that is NULL elsewhere.
 * With MSPACE_DIRECT they are the internal functions of src/api/alloc.h, and direct.h, linked from a library that interposes
 * nothing: this is how the sanitizers, which need malloc for themselves, get to see the allocator.
 */
#ifndef TESTS_SUPPORT_API_H
#define TESTS_SUPPORT_API_H

#include <errno.h>
#include <malloc.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef MSPACE_DIRECT

#include "direct.h"

/* As in src/api/alloc.h, which is not included: its names and the tests' names need not agree. */
void *alloc_malloc(size_t size);
void alloc_free_as(const char *entry, void *p);
void *alloc_memalign(size_t alignment, size_t size);

#define API_EXTRA              /* linked in: an absent one is a link error, not a test skipped in silence */
#define API_PAGE ((size_t)4096)

static inline void *api_malloc(size_t size) { return alloc_malloc(size); }
static inline void api_free(void *p) { alloc_free_as("free()", p); }
static inline void *api_calloc(size_t n, size_t size) { return alloc_calloc(n, size); }
static inline void *api_realloc(void *p, size_t size) { return alloc_realloc(p, size); }
static inline void *api_memalign(size_t align, size_t size) { return alloc_memalign(align, size); }
static inline void *api_aligned_alloc(size_t align, size_t size) { return alloc_memalign(align, size); }
static inline int api_posix_memalign(void **out, size_t align, size_t size)
{
    if (align == 0 || (align & (align - 1)) != 0 || align % sizeof(void *) != 0) return EINVAL;
    void *block = alloc_memalign(align, size);
    if (block != NULL) *out = block;
    return block != NULL ? 0 : ENOMEM;
}
static inline size_t api_usable_size(void *p) { return alloc_usable_size(p); }
static inline void *api_valloc(size_t size) { return alloc_memalign(API_PAGE, size); }
static inline void *api_pvalloc(size_t size) { return alloc_memalign(API_PAGE, (size + API_PAGE - 1) & ~(API_PAGE - 1)); }
static inline int api_trim(size_t pad) { return alloc_trim(pad); }

static inline void *api_reallocarray(void *p, size_t n, size_t size)
{
    size_t nbytes;
    if (__builtin_mul_overflow(n, size, &nbytes)) { errno = ENOMEM; return NULL; }
    return alloc_realloc(p, nbytes);
}

static inline char *api_strndup(const char *s, size_t max)
{
    size_t length = 0;
    while (length < max && s[length] != '\0') length++;
    char *copy = alloc_malloc(length + 1);
    if (copy == NULL) return NULL;
    memcpy(copy, s, length);
    copy[length] = '\0';
    return copy;
}
static inline char *api_strdup(const char *s) { return api_strndup(s, SIZE_MAX); }

#else /* the process's own malloc, whoever provides it */

#define API_EXTRA __attribute__((weak))

static inline void *api_malloc(size_t size) { return malloc(size); }
static inline void api_free(void *p) { free(p); }
static inline void *api_calloc(size_t n, size_t size) { return calloc(n, size); }
static inline void *api_realloc(void *p, size_t size) { return realloc(p, size); }
static inline void *api_memalign(size_t align, size_t size) { return memalign(align, size); }
static inline void *api_aligned_alloc(size_t align, size_t size) { return aligned_alloc(align, size); }
static inline int api_posix_memalign(void **out, size_t align, size_t size) { return posix_memalign(out, align, size); }
static inline size_t api_usable_size(void *p) { return malloc_usable_size(p); }
static inline void *api_valloc(size_t size) { return valloc(size); }
static inline void *api_pvalloc(size_t size) { return pvalloc(size); }
static inline void *api_reallocarray(void *p, size_t n, size_t size) { return reallocarray(p, n, size); }
static inline char *api_strdup(const char *s) { return strdup(s); }
static inline char *api_strndup(const char *s, size_t max) { return strndup(s, max); }
static inline int api_trim(size_t pad) { return malloc_trim(pad); }

#endif

extern size_t mspace_verify(void) API_EXTRA;      /* number of broken laws; 0 = sound */
extern void *mspacec(size_t size) API_EXTRA;      /* NULL and ENOMEM on failure */
extern int mspacer(void *p) API_EXTRA;            /* 0 = released or NULL; 1 = not a live block, nothing changed */

/* Is libmspace under test? Only then may the three above be called. */
static inline int api_is_mspace(void)
{
#ifdef MSPACE_DIRECT
    return 1;
#else
    return mspace_verify != NULL && mspacec != NULL && mspacer != NULL;
#endif
}

/* A test that was to run under the library and does not would pass for the wrong reason. */
__attribute__((constructor)) static void api_insist(void)
{
    static const char text[] = "FAILED: MSPACE_TEST_PRELOADED is set and libmspace is not loaded\n";
    if (getenv("MSPACE_TEST_PRELOADED") == NULL || api_is_mspace()) return;
    if (write(STDOUT_FILENO, text, sizeof text - 1) < 0) _exit(1);
    _exit(1);
}

/* Number of broken laws; 0 under any other allocator. */
static inline size_t api_verify(void) { return api_is_mspace() ? mspace_verify() : 0; }

#endif
