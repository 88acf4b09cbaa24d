/* exports.h - hidden names of the exported functions, for comparing and for calls from inside. */
#ifndef MSPACE_EXPORTS_H
#define MSPACE_EXPORTS_H

#include "../src/base/base.h"

extern void *own_malloc(size_t size) HIDDEN;
extern void own_free(void *p) HIDDEN;

/* C23's, which this libc's headers do not declare yet. */
void free_sized(void *p, size_t size);
void free_aligned_sized(void *p, size_t alignment, size_t size);

#endif
