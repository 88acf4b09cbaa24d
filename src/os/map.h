/* map.h - memory from the kernel, in its own words.
 *
 * Addresses and sizes are multiples of 4 KiB. Nothing here sets errno; every refusal is an answer, never fatal. Any thread,
 * async-signal-safe; none of our locks need be held, and except for os_map_here and os_advise none may be. */
#ifndef MSPACE_MAP_H
#define MSPACE_MAP_H

#include "../base/base.h"

enum os_answer {
    OS_DONE,
    OS_TAKEN,   /* something else lives at that address */
    OS_REFUSED, /* no memory, a limit, a sandbox */
};

/* Maps fresh zeroed memory at exactly `address`, by a plain hint; gives addresses back. */
enum os_answer os_map_here(void *address, size_t nbytes);
void os_unmap(void *address, size_t nbytes);

/* Asks for huge pages there, or for none. Refusal is harmless. */
void os_advise(void *address, size_t nbytes, bool is_huge);

/* Does what the first writes to the pages that begin in [from, to), any two addresses, would do. Refusal is harmless. */
void os_populate(uintptr_t from, uintptr_t to);

/* Has a page be there to be read, as reading it would, but without a signal. False: it may not be read, or the kernel cannot
 * (before Linux 5.14). */
bool os_populate_to_read(const void *page);

/* Gives the pages back and keeps the addresses. True: they read zero from now on. */
bool os_discard(void *address, size_t nbytes);

/* Puts a fresh mapping in place of memory that is already ours (heals a range that mremap left apart). */
bool os_replace(void *address, size_t nbytes);

/* Whether all of it is mapped, by whomever. */
bool os_is_mapped(const void *address, size_t nbytes);

/* Moves the pages of `from` over `to`, which is ours; `from` stays mapped and reads zero. False: nothing moved or, where it was
 * several mappings, a part of it; and where none did there may be no mapping any more, for Linux makes room first (before 6.17
 * also for several that it then refuses). */
bool os_move(void *from, void *to, size_t nbytes);

/* Asks that a page read zero in a child made by fork or clone without CLONE_VM. */
void os_wipe_on_fork(void *page, size_t nbytes);

#endif
