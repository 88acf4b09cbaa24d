/* dirty.h - which slices may be resident and hold anything, and which were till they were purged: two bits for each slice of the
 * range.
 *
 * A slice is dirty from the moment that a span which may have been written to is given back until its pages are given back to the
 * system, whoever holds it in between; so free spans of both kinds can be joined, and the reuse of one tells exactly what of it
 * reads zero. A purged one is so until it is taken: that is what the purge has cost (purge.c). The words lie in the records, two
 * in every 64th, where they are mapped already.
 *
 * Lock: spans.lock. Set before the span is free, cleared after the pages are gone: what a fork photographs is dirty rather
 * too often than too seldom. */
#ifndef MSPACE_DIRTY_H
#define MSPACE_DIRTY_H

#include "span.h"

/* The slices [from, from + n): marks them dirty, or clean. */
void dirty_mark(size_t from, size_t n);
void dirty_wipe(size_t from, size_t n);

size_t dirty_count(size_t from, size_t n);

/* Marks the dirty ones clean and purged; the purged ones as taken, and tells their number. */
void dirty_purge(size_t from, size_t n);
size_t dirty_retake(size_t from, size_t n);

/* Index of the first dirty one, from + n if there is none; and of the one after the last dirty, from if there is none. */
size_t dirty_first(size_t from, size_t n);
size_t dirty_end(size_t from, size_t n);

#endif
