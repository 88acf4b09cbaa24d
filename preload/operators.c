/* operators.c - C++: the replaceable operator new and operator delete, all 20 (ISO C++20 17.6.3; names: Itanium C++ ABI).
 *
 *      new -- block_pop -----------------------------> block
 *       \-- new_slow -- guard: boot arena
 *                    \- forwarding: the next definition (cxx.h)
 *                    \- alloc_malloc_slow, alloc_memalign
 *                    \- out of memory: the next definition
 *
 * Nothing is thrown from C. Out of memory the next definition is jumped to: it asks malloc again, which is ours, calls the
 * new_handler for as long as there is one, then throws std::bad_alloc or returns NULL. It throws through no frame of ours
 * but the slow door's, if through any; hence -fexceptions for this file.
 * Sizes and alignments given to delete are hints that we do not need and never trust. */
#include "boot.h"
#include "cxx.h"
#include "doors.h"
#include "guard.h"
#include "../src/os/report.h"

#include <stdlib.h>

#define OPERATOR(name) __asm__(name) __attribute__((visibility("default")))

/* std::align_val_t is passed as the size_t that it is, std::nothrow as its address. */
struct nothrow;

void *new_plain(size_t size) OPERATOR("_Znwm");
void *new_array(size_t size) OPERATOR("_Znam");
void *new_nothrow(size_t size, const struct nothrow *nothrow) OPERATOR("_ZnwmRKSt9nothrow_t");
void *new_array_nothrow(size_t size, const struct nothrow *nothrow) OPERATOR("_ZnamRKSt9nothrow_t");
void *new_aligned(size_t size, size_t alignment) OPERATOR("_ZnwmSt11align_val_t");
void *new_array_aligned(size_t size, size_t alignment) OPERATOR("_ZnamSt11align_val_t");
void *new_aligned_nothrow(size_t size, size_t alignment, const struct nothrow *nothrow)
    OPERATOR("_ZnwmSt11align_val_tRKSt9nothrow_t");
void *new_array_aligned_nothrow(size_t size, size_t alignment, const struct nothrow *nothrow)
    OPERATOR("_ZnamSt11align_val_tRKSt9nothrow_t");
void delete_plain(void *p) OPERATOR("_ZdlPv");
void delete_array(void *p) OPERATOR("_ZdaPv");
void delete_sized(void *p, size_t size) OPERATOR("_ZdlPvm");
void delete_array_sized(void *p, size_t size) OPERATOR("_ZdaPvm");
void delete_nothrow(void *p, const struct nothrow *nothrow) OPERATOR("_ZdlPvRKSt9nothrow_t");
void delete_array_nothrow(void *p, const struct nothrow *nothrow) OPERATOR("_ZdaPvRKSt9nothrow_t");
void delete_aligned(void *p, size_t alignment) OPERATOR("_ZdlPvSt11align_val_t");
void delete_array_aligned(void *p, size_t alignment) OPERATOR("_ZdaPvSt11align_val_t");
void delete_sized_aligned(void *p, size_t size, size_t alignment) OPERATOR("_ZdlPvmSt11align_val_t");
void delete_array_sized_aligned(void *p, size_t size, size_t alignment) OPERATOR("_ZdaPvmSt11align_val_t");
void delete_aligned_nothrow(void *p, size_t alignment, const struct nothrow *nothrow)
    OPERATOR("_ZdlPvSt11align_val_tRKSt9nothrow_t");
void delete_array_aligned_nothrow(void *p, size_t alignment, const struct nothrow *nothrow)
    OPERATOR("_ZdaPvSt11align_val_tRKSt9nothrow_t");

/* --- the slow doors: what was passed, in its registers, and which operator it was --- */

static bool is_nothrow(enum cxx_operator op) { return op % 4 >= 2; }
static bool is_aligned(enum cxx_operator op) { return op >= CXX_NEW_ALIGNED; }
static const char *delete_name(enum cxx_operator op) { return op % 2 ? "operator delete[]()" : "operator delete()"; }

/* A throwing new without memory, and nobody in the process who could throw: what an uncaught exception would come to. */
static COLD _Noreturn void die(const char *entry)
{
    struct text text;
    report_begin(&text);
    text_string(&text, entry);
    text_string(&text, ": out of memory, and no C++ run-time to throw std::bad_alloc");
    report_line(&text);
    if (crime_before_abort) crime_before_abort();
    abort();
}

static COLD void *new_out_of_memory(size_t size, size_t second, size_t third, enum cxx_operator op, const void *caller)
{
    union cxx_next next = cxx_find(op, caller);
    if (next.address) return next.take(size, second, third);
    if (!is_nothrow(op)) die(op % 2 ? "operator new[]()" : "operator new()");
    return NULL;
}

/* The operators are somebody else's to serve. */
static COLD void *new_elsewhere(size_t size, size_t second, size_t third, enum cxx_operator op, const void *caller)
{
    union cxx_next next = cxx_next(op);
    if (next.address) return next.take(size, second, third);
    void *block = cxx_elsewhere(size, is_aligned(op) ? second : 0);
    return block ? block : new_out_of_memory(size, second, third, op, caller);
}

static SLOW void *new_slow(size_t size, size_t second, size_t third, enum cxx_operator op, const void *caller)
{
    size_t alignment = is_aligned(op) ? second : 0;
    if (UNLIKELY(guard_is_inside())) return boot_or_shared(size, max_size(alignment, GRANULE));
    if (UNLIKELY(!PEEK(cxx_serves)) && !cxx_decide()) return new_elsewhere(size, second, third, op, caller);
    void *block = alignment ? alloc_memalign(alignment, size) : alloc_malloc_slow(size);
    return LIKELY(block != NULL) ? block : new_out_of_memory(size, second, third, op, caller);
}

static COLD void delete_slow(void *p, size_t second, size_t third, enum cxx_operator op)
{
    if (boot_has(p)) return;
    if (guard_is_inside() || cxx_decide()) free_seldom(p, delete_name(op));
    else cxx_next(op).release(p, second, third);
}

/* --- the fast paths --- */

INLINE void *new_as(enum cxx_operator op, size_t size, size_t second)
{
    void *block = LIKELY(PEEK(cxx_serves)) ? block_pop(size) : NULL;
    return LIKELY(block != NULL) ? block : new_slow(size, second, 0, op, __builtin_return_address(0));
}

INLINE void *new_aligned_as(enum cxx_operator op, size_t size, size_t alignment, const struct nothrow *nothrow)
{
    void *block = LIKELY(PEEK(cxx_serves)) && LIKELY(thread.heap != 0) ? alloc_memalign(alignment, size) : NULL;
    return LIKELY(block != NULL) ? block : new_slow(size, alignment, (size_t)nothrow, op, __builtin_return_address(0));
}

INLINE void delete_as(enum cxx_operator op, void *p, size_t size)
{
    if (LIKELY(PEEK(cxx_serves))) free_as(delete_name(op), p);
    else delete_slow(p, size, 0, op);
}

INLINE void delete_seldom_as(enum cxx_operator op, void *p, size_t second, size_t third)
{
    if (LIKELY(PEEK(cxx_serves))) free_seldom(p, delete_name(op));
    else delete_slow(p, second, third, op);
}

void *new_plain(size_t size) { return new_as(CXX_NEW, size, 0); }
void *new_array(size_t size) { return new_as(CXX_NEW_ARRAY, size, 0); }

void *new_nothrow(size_t size, const struct nothrow *nothrow) { return new_as(CXX_NEW_NOTHROW, size, (size_t)nothrow); }

void *new_array_nothrow(size_t size, const struct nothrow *nothrow)
{
    return new_as(CXX_NEW_ARRAY_NOTHROW, size, (size_t)nothrow);
}

void *new_aligned(size_t size, size_t alignment) { return new_aligned_as(CXX_NEW_ALIGNED, size, alignment, NULL); }

void *new_array_aligned(size_t size, size_t alignment) { return new_aligned_as(CXX_NEW_ARRAY_ALIGNED, size, alignment, NULL); }

void *new_aligned_nothrow(size_t size, size_t alignment, const struct nothrow *nothrow)
{
    return new_aligned_as(CXX_NEW_ALIGNED_NOTHROW, size, alignment, nothrow);
}

void *new_array_aligned_nothrow(size_t size, size_t alignment, const struct nothrow *nothrow)
{
    return new_aligned_as(CXX_NEW_ARRAY_ALIGNED_NOTHROW, size, alignment, nothrow);
}

void delete_plain(void *p) { delete_as(CXX_DELETE, p, 0); }
void delete_array(void *p) { delete_as(CXX_DELETE_ARRAY, p, 0); }

void delete_sized(void *p, size_t size) { delete_as(CXX_DELETE_SIZED, p, size); }
void delete_array_sized(void *p, size_t size) { delete_as(CXX_DELETE_ARRAY_SIZED, p, size); }

void delete_nothrow(void *p, const struct nothrow *nothrow) { delete_seldom_as(CXX_DELETE_NOTHROW, p, (size_t)nothrow, 0); }

void delete_array_nothrow(void *p, const struct nothrow *nothrow)
{
    delete_seldom_as(CXX_DELETE_ARRAY_NOTHROW, p, (size_t)nothrow, 0);
}

void delete_aligned(void *p, size_t alignment) { delete_seldom_as(CXX_DELETE_ALIGNED, p, alignment, 0); }
void delete_array_aligned(void *p, size_t alignment) { delete_seldom_as(CXX_DELETE_ARRAY_ALIGNED, p, alignment, 0); }

void delete_sized_aligned(void *p, size_t size, size_t alignment)
{
    delete_seldom_as(CXX_DELETE_SIZED_ALIGNED, p, size, alignment);
}

void delete_array_sized_aligned(void *p, size_t size, size_t alignment)
{
    delete_seldom_as(CXX_DELETE_ARRAY_SIZED_ALIGNED, p, size, alignment);
}

void delete_aligned_nothrow(void *p, size_t alignment, const struct nothrow *nothrow)
{
    delete_seldom_as(CXX_DELETE_ALIGNED_NOTHROW, p, alignment, (size_t)nothrow);
}

void delete_array_aligned_nothrow(void *p, size_t alignment, const struct nothrow *nothrow)
{
    delete_seldom_as(CXX_DELETE_ARRAY_ALIGNED_NOTHROW, p, alignment, (size_t)nothrow);
}
