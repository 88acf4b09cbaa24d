/* mspace.h - what libmspace offers beside malloc and its kin.
 *
 * Include it and link with -lmspace, or look the names up with dlsym in a program that runs under
 * LD_PRELOAD=libmspace.so. malloc, free, calloc, realloc, aligned_alloc, posix_memalign, memalign, valloc, pvalloc,
 * malloc_usable_size and the other names of malloc(3) are declared by the system's own headers and behave as glibc's.
 *
 * Unless a function says otherwise any thread may call it, and none is async-signal-safe. Nothing here prints, except
 * mspace_verify about a broken heap. */
#ifndef MSPACE_H
#define MSPACE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MSPACE_VERSION "0.1.0"

/* The version of the library that is running, "major.minor.patch". Async-signal-safe. */
const char *mspace_version(void);

/* Returns a block of at least `size` bytes, 16-byte aligned, contents undefined: out of a free block or span that is
 * large enough, or else from fresh mmap-backed memory. mspacec(0) is a unique pointer. NULL, with errno ENOMEM, when
 * there is no memory or size exceeds PTRDIFF_MAX. The block may also be given to free or realloc.
 * Source: the seed project's allocator of BLOCK records; C11 7.22.3.4 for the rest. */
void *mspacec(size_t size);

/* Releases a block. Returns 0; or 1 when `block` is not the start of a live block of this library, having changed nothing: a
 * second release, an interior pointer, anybody else's memory. mspacer(NULL) returns 0. Never aborts, keeps errno. One of at most
 * 1,040 bytes may look live if another thread has freed it, a larger one that another thread allocated if a third freed it a
 * moment ago. */
int mspacer(void *block);

/* Checks every law of the heap: that spans tile it, free neighbours are joined (but for what threads keep for their next, and
 * what waits for the next of its size), lists and counts agree, free blocks are as free left them. Returns the number of broken
 * laws, 0 for a sound heap; each is told in a line on standard error. 0, too, with nothing checked, while another thread verifies
 * or walks, and within a walk.
 * Exact only while no other thread is inside the library: a block that is being passed on looks broken. */
size_t mspace_verify(void);

enum mspace_kind {
    MSPACE_SPAN, /* a run of 64 KiB slices */
    MSPACE_BLOCK /* a block in the span visited last */
};

enum mspace_state {
    MSPACE_FREE,    /* span: may be resident; block: free, or never yet handed out */
    MSPACE_CLEAN,   /* span: free and reads zero */
    MSPACE_LIVE,    /* span: holds blocks; block: handed out */
    MSPACE_UNKNOWN, /* block: another thread was allocating there during the visit */
    MSPACE_FOREIGN  /* span: address space inside the heap's range that is not ours */
};

struct mspace_item {
    enum mspace_kind kind;
    enum mspace_state state;
    void *address;
    size_t size; /* bytes: of the span; of the block, all of them usable */
};

/* Gets an item; anything but 0 ends the walk. It may allocate and free; what that changes may or may not be seen. It must
 * return: after a longjmp or an exception out of it nobody can walk or verify any more. */
typedef int mspace_visitor(const struct mspace_item *item, void *argument);

/* Visits every span in address order and, after each live one, its blocks in address order. Returns 0, or what the
 * visitor returned to end it. Exact while no other thread is inside the library; beside others, what changes during the
 * walk is seen as it was or as it is. One walk at a time: a visitor must not walk or verify, and gets -1 from a walk. */
int mspace_walk(mspace_visitor *visit, void *argument);

#ifdef __cplusplus
}
#endif

#endif
