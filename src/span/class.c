#include "class.h"

#define is_power(bytes) (((bytes) & ((bytes)-1)) == 0) /* UINT64_MAX / bytes is one short of 2^64 / bytes for these */
#define ALIGNED(index, bytes, slices) {UINT64_MAX / (bytes) + 1 + is_power(bytes), (bytes), (slices)*SLICE_SIZE / (bytes), (slices)},
#define CLASS(index, before, bytes, slices) ALIGNED(index, bytes, slices)
const struct class class_table[NCLASSES] = {
#include "class.def"
};
#undef CLASS
#undef ALIGNED

#define CLASS(index, before, bytes, slices) [(before) / GRANULE + 1 ...(bytes) / GRANULE] = 2 * (index),
#define ALIGNED(index, bytes, slices)
const uint8_t class_of_granules_x2[MEDIUM_MAX / GRANULE + 1] = {
#include "class.def"
}; /* malloc(0) is a block of 16 bytes */

/* In steps of a line or of what the blocks are aligned to. Those that lie a line more than whole pages apart begin in sets that follow each other;
 * the next span goes on where they end. The golden ratio spreads any few places evenly that are evenly apart. */
size_t class_offset(unsigned class, size_t place)
{
    const struct class *of = &class_table[class];
    size_t left = of->nslices * SLICE_SIZE - of->capacity * of->size, step = max_size(CACHE_LINE, of->size & -of->size);
    if (of->size % PAGE == CACHE_LINE) step *= of->capacity;
    return class < NSMALL ? 0 : ((uint32_t)place * UINT32_C(2654435769) * (uint64_t)(left / step + 1) >> 32) * step;
}

uint8_t class_of_units[2 * MEDIUM_MAX / ALIGNMENT_MIN + 1] __attribute__((aligned(PAGE)));

/* From the smallest class that is large enough; an ALIGNED one only if the next does not do. Ends at a power of two, 9 steps at most. */
unsigned class_of_aligned(size_t size, size_t alignment)
{
    if (alignment <= GRANULE) return class_of(size);
    unsigned class = class_least(round_up(size, alignment));
    if (class_of(class_table[class].size) != class && class_table[class + 1].size % alignment == 0) class ++;
    while (class_table[class].size % alignment != 0) class ++;
    __atomic_store_n(class_place(size, alignment), (uint8_t)class, __ATOMIC_RELAXED);
    return class;
}
