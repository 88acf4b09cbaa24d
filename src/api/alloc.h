/* alloc.h - what a caller may ask for, by its C names with alloc_ before them.
 *
 * The fast paths are inline so that the exported malloc and free are one function each (preload/exports.c). Semantics
 * are glibc 2.36's, to the clause: malloc(0) is a unique pointer; realloc(p, 0) frees and returns NULL; more than
 * PTRDIFF_MAX bytes is NULL and ENOMEM; free keeps errno; everything is 16-byte aligned; all of the usable size may be
 * written. Any thread; not async-signal-safe against themselves, like malloc(3). Sources: C11 7.22.3, POSIX 2024, malloc(3). */
#ifndef MSPACE_ALLOC_H
#define MSPACE_ALLOC_H

#include "../heap/block.h"
#include "../os/report.h"

/* How a pointer was taken: a foreign one is for the caller to judge, nothing was done with it. */
enum alloc_verdict { ALLOC_OURS, ALLOC_FOREIGN };

void *alloc_malloc(size_t size);
void alloc_free(void *p);
void *alloc_calloc(size_t count, size_t size);
void *alloc_realloc(void *p, size_t size);
void *alloc_memalign(size_t alignment, size_t size);
int alloc_posix_memalign(void **result, size_t alignment, size_t size);
void *alloc_aligned(size_t alignment, size_t size);
size_t alloc_usable_size(const void *p);

/* The slow doors. malloc when block_pop had nothing; free when block_push refused, by the name of the entry that was called. */
void *alloc_malloc_slow(size_t size);
enum alloc_verdict alloc_free_slow(const char *entry, void *p);
void alloc_event(void *p);

/* A block that reads zero. */
void *alloc_zeroed(size_t size);

/* Resizes a block inside the heap range; NULL and errno, the block intact, when out of memory. size is not 0. */
void *alloc_resize(const char *entry, void *p, size_t size);

/* Usable bytes of a live block inside the heap range, 0 for anything else. */
size_t alloc_size_of(const void *p);

/* Whether the block that starts at p, of a span that desc describes, is free as far as can be told without its owner. */
bool alloc_is_free(const struct desc *desc, const void *p);

/* NULL and ENOMEM. */
void *alloc_refuse(void);

/* Whether a pointer outside the heap range is certainly nobody's: on the stack, in this library, misaligned, not canonical. */
bool alloc_is_certainly_wrong(const void *p);

/* Tells of a pointer that nobody gave us; returns when on_error lets it. */
void alloc_report_foreign(const char *entry, const void *p);

#endif
