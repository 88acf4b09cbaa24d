/*
 * direct.h: what the tests call of the core beside src/api/alloc.h, where nothing is interposed: the names that have their doors
 * in preload/exports.c, without what is of the preloaded library there (the boot arena, the next malloc).
 */
#ifndef TESTS_SUPPORT_DIRECT_H
#define TESTS_SUPPORT_DIRECT_H

#include <stddef.h>

void *alloc_calloc(size_t count, size_t size);
void *alloc_realloc(void *p, size_t size);
size_t alloc_usable_size(const void *p);
int alloc_trim(size_t pad);

#endif
