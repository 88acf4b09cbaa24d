/* bad.c: a library that breaks what elf.sh checks, each in its way: so that each check is seen to fail. */
#include <stddef.h>

extern void *calloc(size_t count, size_t size);
extern void *malloc(size_t size);
extern void *memalign(size_t alignment, size_t size);
extern __thread char too_much[100];

__thread char too_much[100];

void *malloc(size_t size) { return size > sizeof too_much ? NULL : too_much; }     /* dynamic thread-local storage */
/* by way of the PLT; linked without a SONAME */
void *calloc(size_t count, size_t size) { return memalign(16, count * size); }
