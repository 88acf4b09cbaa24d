/* cxx.h - the C++ run-time behind our operators: who replaces an operator in this process, and the next definitions.
 *
 * The standard lets a program replace any of the operators, alone: the others are then defined in terms of it (libstdc++'s
 * new[] calls new, its sized delete calls delete). Ours know nothing of such a program's blocks. So all of ours forward, each to
 * its next definition, when malloc is not ours, or when anybody present at start defines an operator: a definition before ours
 * (the program's own, another preloaded library's), or one behind ours outside the C++ run-times. An object that
 * defines malloc as well is an allocator that stands behind us as a whole, and is passed over as a whole. */
#ifndef MSPACE_CXX_H
#define MSPACE_CXX_H

#include "../src/base/base.h"

enum cxx_operator {
    CXX_NEW,
    CXX_NEW_ARRAY,
    CXX_NEW_NOTHROW,
    CXX_NEW_ARRAY_NOTHROW,
    CXX_NEW_ALIGNED,
    CXX_NEW_ARRAY_ALIGNED,
    CXX_NEW_ALIGNED_NOTHROW,
    CXX_NEW_ARRAY_ALIGNED_NOTHROW,
    CXX_DELETE,
    CXX_DELETE_ARRAY,
    CXX_DELETE_SIZED,
    CXX_DELETE_ARRAY_SIZED,
    CXX_DELETE_NOTHROW,
    CXX_DELETE_ARRAY_NOTHROW,
    CXX_DELETE_ALIGNED,
    CXX_DELETE_ARRAY_ALIGNED,
    CXX_DELETE_SIZED_ALIGNED,
    CXX_DELETE_ARRAY_SIZED_ALIGNED,
    CXX_DELETE_ALIGNED_NOTHROW,
    CXX_DELETE_ARRAY_ALIGNED_NOTHROW,
    NCXX
};

/* Somebody's operator. Those with fewer parameters ignore the registers of the others (Itanium ABI, x86-64 and aarch64). */
union cxx_next {
    void *address;
    void *(*take)(size_t size, size_t second, size_t third);
    void (*release)(void *p, size_t second, size_t third);
};

/* Whether the operators are ours to serve; false until that is decided. What the fast paths test. */
extern bool cxx_serves HIDDEN;

/* The same, and decides if need be. Not inside the guard: calls dlsym, so no lock may be held. */
bool cxx_decide(void);

/* The next definition. NULL where the process had none at start; when ours do not serve, no delete is NULL. After cxx_decide. */
union cxx_next cxx_next(enum cxx_operator op);

/* When ours do not serve and there is no next new: what a run-time's would call, the first malloc of the process, or
 * aligned_alloc where there is an alignment. NULL: out of memory. */
void *cxx_elsewhere(size_t size, size_t alignment);

/* The next definition, else what the object that contains `caller` would find without us, else what any C++ run-time
 * in the process has, else NULL: a C program may have opened its C++ plugin for itself only. Slow; no lock may be held. */
union cxx_next cxx_find(enum cxx_operator op, const void *caller);

#endif
