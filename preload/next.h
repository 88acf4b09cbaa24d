/* next.h - stepping aside: who owns malloc in this process, and the next definitions behind ours.
 *
 * Every entry forwards when the program has a malloc of its own, is instrumented by a sanitizer, is on the skip list,
 * or MSPACE_DISABLE=1 says so. Otherwise only pointers that libc's malloc can own are passed on. Decided once, before
 * the first block is handed out, and without dlsym; dlsym itself runs later, inside the guard, with none of our locks held. */
#ifndef MSPACE_NEXT_H
#define MSPACE_NEXT_H

#include "../src/base/base.h"

#include <malloc.h>

struct next {
    void *(*malloc)(size_t);
    void (*free)(void *);
    void *(*calloc)(size_t, size_t);
    void *(*realloc)(void *, size_t);
    void *(*memalign)(size_t, size_t);
    size_t (*malloc_usable_size)(void *);
    /* NULL where a C library has none: */
    int (*mallopt)(int, int);
    int (*malloc_trim)(size_t);
    struct mallinfo (*mallinfo)(void);
    struct mallinfo2 (*mallinfo2)(void);
    void (*malloc_stats)(void);
    int (*malloc_info)(int, FILE *);
};

/* Whether an address lies in this library. */
bool next_is_own(const void *p);

/* Whether an address that a reference was bound to is not a definition but a stub: a program that is not position-independent
 * and takes a function's address has a symbol for the stub through which it calls, undefined, but not at 0. */
bool next_is_stub(const void *address);

/* Whether every call goes to the next definition. */
bool next_has_all(void);

/* Whether a pointer that is neither in the heap range nor in the boot arena can belong to the next definition. */
bool next_may_own(const void *p);

/* The next definitions; NULL while this thread is looking them up, or where there are none. */
const struct next *next_get(void);

#endif
