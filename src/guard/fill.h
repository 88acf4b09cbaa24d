/* fill.h - what hardened mode leaves in free blocks: 0xdf from the 9th byte on, the first 8 are the list's.
 *
 * Whoever reads a freed block sees it, and what a free block has been made to hold since is seen when it is handed out.
 * Passive; any thread that owns the block. */
#ifndef MSPACE_FILL_H
#define MSPACE_FILL_H

#include "../span/span.h"

void fill_free(void *block, size_t size);

/* Whether a small block is as fill_free left it. */
bool fill_is_intact(const void *block, size_t size);

#endif
