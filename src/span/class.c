#include "class.h"
#include "../base/bits.h"

#define is_power(bytes) (((bytes) & ((bytes)-1)) == 0) /* UINT64_MAX / bytes is one short of 2^64 / bytes for these */
#define CLASS(index, bytes, slices, first)                                                                                       \
    {UINT64_MAX / (bytes) + 1 + is_power(bytes), (bytes), (slices)*SLICE_SIZE / (bytes), (slices), (first)},
#define ALIGNED(index, bytes, slices) CLASS(index, bytes, slices, 0)
const struct class class_table[NCLASSES] = {
#include "class.def"
};

struct classes classes __attribute__((aligned(PAGE)));

static bool is_for_aligned(unsigned class) { return class && !class_table[class].first; }

static void serve(size_t granules, unsigned class)
{
    __atomic_store_n(&classes.of_granules_x2[granules], (uint8_t)(2 * class), __ATOMIC_RELAXED);
}

void class_start(void)
{
    size_t granules = 0; /* malloc(0) is a block of 16 bytes */
    for (unsigned class = 0; class < NCLASSES; class ++)
        for (; !is_for_aligned(class) && granules <= class_table[class].size / GRANULE; granules++)
            serve(granules, class_table[class].first);
}

/* The lower half of the sizes that a class serves goes to the largest of its own. Any number of threads at once, and whoever
 * interrupts one: each store by itself leaves a table in which every size has a class that is large enough. */
static void split(unsigned class)
{
    unsigned served[4], n = 0;
    for (unsigned row = class; n < 4 && (is_for_aligned(row) || class_of(class_table[row].size) == class); row--)
        if (!is_for_aligned(row)) served[n++] = row;
    if (n < 2) return;
    unsigned lower = served[n / 2];
    size_t end = class_table[lower].size / GRANULE + 1, granules = end;
    while (class_of((granules - 1) * GRANULE) == class) granules--;
    /* upwards: what a fork photographs half-way the next split goes on with */
    for (; granules < end; granules++) serve(granules, lower);
}

void class_serve_all(void)
{
    for (unsigned class = NCLASSES - 1; class >= NSMALL; class --) split(class), split(class); /* four, two, one */
}

enum { CROWDED = 4 }; /* spans, from which on each that is taken halves what a class serves; figures: ../README.md */

/* One that serves but its own sizes, as all do in the end, is not counted: threads that take and give spans would wait for each
 * other's counts. */
static bool serves_others(unsigned class)
{
    unsigned row = class - 1;
    if (is_for_aligned(row)) row--;
    return class_of(class_table[row].size) == class;
}

void class_count(unsigned class, int n)
{
    if (class < NSMALL || !serves_others(class)) return;
    /* below 0: of spans taken before it served others */
    int32_t nspans = __atomic_add_fetch(&classes.nspans[class], n, __ATOMIC_RELAXED);
    if (n > 0 && nspans >= CROWDED) split(class);
}

/* In steps of a line or of what the blocks are aligned to. Those that lie a line more than whole pages apart begin in sets that
 * follow each other; the next span goes on where they end. */
size_t class_offset(unsigned class, size_t place)
{
    const struct class *of = &class_table[class];
    size_t left = of->nslices * SLICE_SIZE - of->capacity * of->size, step = max_size(CACHE_LINE, of->size & -of->size);
    if (of->size % PAGE == CACHE_LINE) step *= of->capacity;
    return class < NSMALL ? 0 : bits_spread(place, left / step + 1) * step;
}

uint8_t class_of_units[2 * MEDIUM_MAX / ALIGNMENT_MIN + 1] __attribute__((aligned(PAGE)));

/* From the smallest class that is large enough; an ALIGNED one only if the next does not do. Ends at a power of two, 9 steps at
 * most. */
unsigned class_of_aligned(size_t size, size_t alignment)
{
    if (alignment <= GRANULE) return class_of(size);
    unsigned class = class_least(round_up(size, alignment));
    if (is_for_aligned(class) && class_table[class + 1].size % alignment == 0) class ++;
    while (class_table[class].size % alignment != 0) class ++;
    __atomic_store_n(class_place(size, alignment), (uint8_t) class, __ATOMIC_RELAXED);
    return class;
}
