#include "class.h"

#define is_power(bytes) (((bytes) & ((bytes)-1)) == 0) /* UINT64_MAX / bytes is one short of 2^64 / bytes for these */
#define FITTING(bytes, slices) ((slices)*SLICE_SIZE / (bytes))
#define ALIGNED(index, bytes, slices)                                                                                            \
    {.reciprocal = UINT64_MAX / (bytes) + 1 + is_power(bytes),                                                                   \
     .size = (bytes),                                                                                                            \
     .capacity = FITTING(bytes, slices),                                                                                         \
     .nslices = (slices)},
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

unsigned class_of_aligned(size_t size, size_t alignment)
{
    size_t rounded = round_up(max_size(size, 1), alignment);
    unsigned class = class_of(rounded); /* 0 only for what it aligns */
    if (class_table[class].size % alignment != 0 && class_table[class - 1].size >= rounded) class --;
    while (class_table[class].size % alignment != 0) class ++; /* ends at a power of two, 9 steps at most */
    return class;
}
