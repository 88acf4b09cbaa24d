/* class.c: laws of the size classes (src/span/class.h), over every row, every size and every offset. */
#include "span/class.h"
#include "unit.h"

static void class_sizes_ascend_in_steps_of_an_eighth(void)
{
    require(class_table[0].size == GRANULE && class_table[NSMALL - 1].size == SMALL_MAX, "the ends of the small ones\n");
    require(class_table[NCLASSES - 1].size == MEDIUM_MAX, "the ends of the others\n");
    for (unsigned class = 1; class < NCLASSES; class++) {
        size_t before = class_table[class - 1].size, size = class_table[class].size;
        require(size > before && size % GRANULE == 0, "class %u: %zu after %zu\n", class, size, before);
        require(size - before <= max_size(GRANULE, before / 8), "class %u: %zu after %zu is too far\n", class, size, before);
    }
}

static bool wastes_little(size_t size, size_t nslices)
{
    size_t nbytes = nslices * SLICE_SIZE;
    return nbytes % size * 50 <= nbytes;
}

static void class_spans_waste_two_percent_at_most(void)
{
    for (unsigned class = 0; class < NCLASSES; class++) {
        const struct class *row = &class_table[class];
        size_t fitting = row->nslices * SLICE_SIZE / row->size;
        require(wastes_little(row->size, row->nslices), "class %u wastes over 2 %% of its span\n", class);
        require(row->capacity == fitting, "class %u: %u blocks of the %zu that fit\n", class, row->capacity, fitting);
        require(fitting >= 8, "class %u: a span holds %zu blocks\n", class, fitting);
    }
}

static void class_spans_are_the_smallest_that_do(void)
{
    for (unsigned class = 0; class < NCLASSES; class++) {
        const struct class *row = &class_table[class];
        for (size_t n = 1; n < row->nslices; n++)
            require(n * SLICE_SIZE / row->size < 8 || !wastes_little(row->size, n), "class %u could do with %zu slices\n", class,
                    n);
    }
}

/* What remote.h and the census have room for. */
static void class_capacities_fit_their_fields(void)
{
    for (unsigned class = 0; class < NSMALL; class++)
        require(class_table[class].nslices == 1, "class %u: the links of a list do not leave a slice\n", class);
    for (unsigned class = 0; class < NCLASSES; class++)
        require(class_table[class].capacity <= (class < NSMALL ? 4096 : MEDIUM_CAPACITY), "class %u\n", class);
}

/* The product for the start of block q lies in [bound(q), bound(q + 1)), and for anything else past the last bound: so the one
 * comparison is right for every offset and every number of blocks. */
static void class_reciprocals_are_right_for_every_offset(void)
{
    for (unsigned class = 0; class < NCLASSES; class++) {
        const struct class *row = &class_table[class];
        size_t last = row->nslices * SLICE_SIZE / row->size;
        uint64_t floor = UINT64_MAX / row->size + is_power_of_two(row->size);     /* of 2^64 / size */
        require(row->reciprocal == floor + 1, "class %u: reciprocal\n", class);
        for (size_t n = 1; n <= last; n++)
            require(class_bound(class, n) > class_bound(class, n - 1), "class %u: bounds ascend\n", class);
        for (size_t offset = 0; offset < row->nslices * SLICE_SIZE; offset++) {
            size_t q = offset / row->size;
            require(class_quotient(offset, row->reciprocal) == q, "class %u: %zu / %u\n", class, offset, row->size);
            bool is_start = offset % row->size == 0 && q < last;
            if (is_start)
                require(!class_is_start(offset, row->reciprocal, class_bound(class, q)) &&
                            class_is_start(offset, row->reciprocal, class_bound(class, q + 1)),
                        "class %u: block %zu at %zu\n", class, q, offset);
            else
                require(!class_is_start(offset, row->reciprocal, class_bound(class, last)), "class %u: %zu is no start\n", class,
                        offset);
        }
        require(!class_is_start(0, row->reciprocal, 0), "class %u: nothing carved\n", class);
    }
}

/* class.h promises it below 2^32; a sample, in steps that are prime. */
static void class_refuses_what_lies_far_behind_the_span(void)
{
    for (unsigned class = 0; class < NCLASSES; class++) {
        const struct class *row = &class_table[class];
        uint64_t bound = class_bound(class, row->capacity);
        for (size_t offset = 0; offset < (size_t)1 << 32; offset += 9973) {
            bool is_start = offset % row->size == 0 && offset / row->size < row->capacity;
            require(class_is_start(offset, row->reciprocal, bound) == is_start, "class %u: offset %zu\n", class, offset);
        }
        for (size_t q = row->capacity; q < ((size_t)1 << 32) / row->size; q += 1 + q / 64)
            require(!class_is_start(q * row->size, row->reciprocal, bound), "class %u: block %zu of %u\n", class, q,
                    row->capacity);
    }
}

/* Powers of two that have a class for aligned requests beside the one for all. */
static bool is_for_alignment(unsigned class)
{
    size_t size = class_table[class].size;
    return size == 512 || size == 1024 || size == 4096 || size == 8192 || size == 16384;
}

/* At first a class serves the sizes of up to four, so that a program that has few blocks of many sizes has few spans. */
static void class_of_finds_one_that_holds_and_two_for_each_doubling_at_first(void)
{
    class_start();
    unsigned nserving = 0;
    for (size_t size = 0; size <= MEDIUM_MAX; size++) {
        unsigned class = class_of(size);
        require(size <= class_table[class].size && !is_for_alignment(class), "%zu bytes: class %u\n", size, class);
        require(class == 0 || class < NSMALL || 16 * size > 10 * class_table[class].size, "%zu bytes: %u\n", size,
                class_table[class].size);
        nserving += size > SMALL_MAX && class != class_of(size - 1);
    }
    require(nserving == 11, "%u medium classes serve\n", nserving); /* 5 doublings, and 4,368 */
}

/* So many spans of each have been taken. */
static void crowd(int nspans)
{
    for (unsigned class = NSMALL; class < NCLASSES; class++)
        for (int i = 0; i < nspans; i++) class_count(class, 1);
}

static void class_that_is_crowded_leaves_sizes_to_smaller_ones(void)
{
    class_start();
    class_count(class_of(1100), 1), class_count(class_of(1100), 1), class_count(class_of(1100), 1);
    require(class_table[class_of(1100)].size == 1552, "it has been halved\n");
    for (int i = 0; i < 99; i++) class_count(class_of(1100), -1), class_count(class_of(1100), 1);
    require(class_table[class_of(1100)].size == 1552, "spans that have been given back count\n");
    class_count(class_of(1100), 1);
    require(class_table[class_of(1100)].size == 1280 && class_table[class_of(1300)].size == 1552, "it has not been halved\n");
    crowd(4);
    require(class_table[class_of(1300)].size == 1408 && class_table[class_of(1500)].size == 1552, "nor quartered\n");
}

static void class_of_finds_the_smallest_that_holds(void)
{
    class_start();
    unsigned class = 0;
    crowd(5), crowd(5);
    for (size_t size = 0; size <= MEDIUM_MAX; size++) {
        while (size > class_table[class].size || is_for_alignment(class)) class++;
        require(class_of(size) == class, "%zu bytes: class %u, not %u\n", size, class_of(size), class);
    }
    require(class == NCLASSES - 1, "not every class is found\n");
}

/* Sets of a first-level cache of 64 sets of 64 bytes, in which the first bytes of a span's blocks lie. */
static int count_sets(const struct class *row)
{
    uint64_t sets = 0;
    for (unsigned k = 0; k < row->capacity; k++) sets |= (uint64_t)1 << k * row->size / 64 % 64;
    return __builtin_popcountl(sets);
}

/* Programs have arrays of pointers to such blocks: matrices, tables of pages, pools of buffers. */
static void class_blocks_of_powers_of_two_share_the_cache(void)
{
    for (size_t size = 512; size <= 16384; size *= 2) {
        const struct class *row = &class_table[class_of(size)];
        int nsets = count_sets(row), most = (int)min_size(row->capacity, 64);
        require(nsets >= most / 4 * 3, "%zu bytes: the %u blocks of a span begin in %d sets\n", size, row->capacity, nsets);
        require(row->size <= size + size / 28, "%zu bytes: blocks of %u\n", size, row->size);
    }
}

static void class_of_aligned_finds_the_smallest_that_aligns(void)
{
    class_start(), class_serve_all();
    for (size_t alignment = GRANULE; alignment <= PAGE; alignment *= 2)
        for (size_t size = 1; size <= MEDIUM_MAX; size++) {
            unsigned found = class_of_aligned(size, alignment), class = 0;
            while (class_table[class].size < size || class_table[class].size % alignment ||
                   (is_for_alignment(class) && class_table[class + 1].size % alignment == 0))
                class++;
            require(found == class, "%zu bytes aligned to %zu: class %u, not %u\n", size, alignment, found, class);
        }
}

UNIT_MAIN(PROMISE(class_sizes_ascend_in_steps_of_an_eighth), PROMISE(class_spans_waste_two_percent_at_most),
          PROMISE(class_spans_are_the_smallest_that_do), PROMISE(class_capacities_fit_their_fields),
          PROMISE(class_reciprocals_are_right_for_every_offset), PROMISE(class_refuses_what_lies_far_behind_the_span),
          PROMISE(class_of_finds_one_that_holds_and_two_for_each_doubling_at_first),
          PROMISE(class_that_is_crowded_leaves_sizes_to_smaller_ones), PROMISE(class_of_finds_the_smallest_that_holds),
          PROMISE(class_blocks_of_powers_of_two_share_the_cache), PROMISE(class_of_aligned_finds_the_smallest_that_aligns))
