/* boot.h - the boot arena: 32 KiB of .bss for calls that can be served by nobody else.
 *
 *      | size | block ... | size | block ...          16-byte headers, handed out upward, never reused
 *
 * What needs it: dlsym of the next definitions, a few hundred bytes once. Any thread, async-signal-safe. */
#ifndef MSPACE_BOOT_H
#define MSPACE_BOOT_H

#include "../src/base/base.h"

/* Zeroed; alignment a power of two, at least 16. NULL when the arena is used up. */
void *boot_alloc(size_t size, size_t alignment);
bool boot_has(const void *p);
size_t boot_size(const void *p);

#endif
