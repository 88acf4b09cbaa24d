#include "class.h"

/* CLASS(bytes of a block, slices of a span); the laws of class.h over every row are a unit test. */
#define is_power(bytes) (((bytes) & ((bytes)-1)) == 0) /* UINT64_MAX / bytes is one short of 2^64 / bytes for these */
#define FITTING(bytes, slices) ((slices)*SLICE_SIZE / (bytes))
#define CLASS(bytes, slices)                                                                                                     \
    {                                                                                                                            \
        .reciprocal = UINT64_MAX / (bytes) + 1 + is_power(bytes), .size = (bytes), .capacity = FITTING(bytes, slices),           \
        .nslices = (slices)                                                                                                      \
    }

const struct class class_table[NCLASSES] = {
    CLASS(16, 1),    CLASS(32, 1),    CLASS(48, 1),    CLASS(64, 1),    CLASS(80, 1),    CLASS(96, 1),    CLASS(112, 1),
    CLASS(128, 1),   CLASS(144, 1),   CLASS(160, 1),   CLASS(176, 1),   CLASS(192, 1),   CLASS(208, 1),   CLASS(224, 1),
    CLASS(240, 1),   CLASS(256, 1),   CLASS(288, 1),   CLASS(320, 1),   CLASS(352, 1),   CLASS(384, 1),   CLASS(416, 1),
    CLASS(448, 1),   CLASS(480, 1),   CLASS(512, 1),   CLASS(576, 1),   CLASS(640, 1),   CLASS(704, 1),   CLASS(768, 1),
    CLASS(832, 1),   CLASS(896, 1),   CLASS(960, 1),   CLASS(1024, 1),  CLASS(1040, 1),  CLASS(1152, 1),  CLASS(1280, 1),  CLASS(1408, 1),
    CLASS(1536, 1),  CLASS(1664, 1),  CLASS(1792, 1),  CLASS(1920, 1),  CLASS(2048, 1),  CLASS(2304, 1),  CLASS(2560, 2),
    CLASS(2816, 1),  CLASS(3072, 1),  CLASS(3328, 2),  CLASS(3584, 1),  CLASS(3840, 1),  CLASS(4096, 1),  CLASS(4368, 1),  CLASS(4608, 1),
    CLASS(5120, 3),  CLASS(5632, 2),  CLASS(6144, 2),  CLASS(6656, 3),  CLASS(7168, 1),  CLASS(7680, 2),  CLASS(8192, 1),
    CLASS(9216, 2),  CLASS(10240, 3), CLASS(11264, 4), CLASS(12288, 3), CLASS(13312, 6), CLASS(14336, 2), CLASS(15360, 4),
    CLASS(16384, 2), CLASS(18432, 4), CLASS(20480, 5), CLASS(22528, 7), CLASS(24576, 3), CLASS(26624, 7), CLASS(28672, 4),
    CLASS(30720, 8), CLASS(32768, 4),
};

/* Eight classes of `step` granules each, above `from` granules; the first of them from `first` on. */
#define EIGHT_FROM(first, from, step, class)                                                                                     \
    [first...(from) + (step)] = 2 * (class), [(from) + (step) + 1 ...(from) + 2 * (step)] = 2 * ((class) + 1),                   \
                            [(from) + 2 * (step) + 1 ...(from) + 3 * (step)] = 2 * ((class) + 2),                                \
                            [(from) + 3 * (step) + 1 ...(from) + 4 * (step)] = 2 * ((class) + 3),                                \
                            [(from) + 4 * (step) + 1 ...(from) + 5 * (step)] = 2 * ((class) + 4),                                \
                            [(from) + 5 * (step) + 1 ...(from) + 6 * (step)] = 2 * ((class) + 5),                                \
                            [(from) + 6 * (step) + 1 ...(from) + 7 * (step)] = 2 * ((class) + 6),                                \
                            [(from) + 7 * (step) + 1 ...(from) + 8 * (step)] = 2 * ((class) + 7)
#define EIGHT(from, step, class) EIGHT_FROM((from) + 1, from, step, class)

const uint8_t class_of_granules_x2[MEDIUM_MAX / GRANULE + 1] = {
    [0] = 0, /* malloc(0) is a block of 16 bytes */
    EIGHT(0, 1, 0),
    EIGHT(8, 1, 8),
    EIGHT(16, 2, 16),
    EIGHT(32, 4, 24),
    [65] = 2 * 32,
    EIGHT_FROM(66, 64, 8, 33),
    EIGHT(128, 16, 41),
    [257 ... 273] = 2 * 49,
    EIGHT_FROM(274, 256, 32, 50),
    EIGHT(512, 64, 58),
    EIGHT(1024, 128, 66),
};

unsigned class_of_aligned(size_t size, size_t alignment)
{
    unsigned class = class_of(round_up(max_size(size, 1), alignment));
    while (class_table[class].size % alignment != 0) class ++; /* ends at a power of two, 7 steps at most */
    return class;
}
