/* model.h: what the checker believes about the heap; see model.c. */
#ifndef TESTS_PROPERTY_MODEL_H
#define TESTS_PROPERTY_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A live block, as the checker remembers it. address == NULL: no block. */
struct block {
    unsigned char *address;
    size_t size;        /* asked for */
    size_t usable;      /* promised by malloc_usable_size, and filled with the pattern to its last byte */
    size_t align;       /* asked for, at least the law's minimum */
    uint64_t id;        /* the pattern's seed, never used twice in a run */
};

/* Make the shadow map's directory. Once, before any other call. */
void shadow_init(void);
/* Note [p, p + n) as live. Returns NULL, or the first address in it that already was: two blocks overlap. Any thread. */
void *shadow_claim(const void *p, size_t n);
/* Note [p, p + n) as free. Returns NULL, or the first address in it that was not live. Any thread. */
void *shadow_release(const void *p, size_t n);

/* Write the block's pattern: all of a small block; both ends and samples of a larger one. */
void pattern_fill(const struct block *b);
/* Offset of the first byte below `limit` that differs from the pattern, or SIZE_MAX. `p` holds what b->address held (realloc
 * moves). */
size_t pattern_check(const struct block *b, const unsigned char *p, size_t limit);
/* Offset of the first byte that is not zero, or SIZE_MAX. */
size_t zero_check(const unsigned char *p, size_t n);

#endif
