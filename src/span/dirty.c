#include "dirty.h"

static uint64_t *dirty_of(size_t slice) { return &range.records[slice & ~(size_t)63].dirty; }
static uint64_t *purged_of(size_t slice) { return &range.records[slice & ~(size_t)63].purged; }
static uint32_t purged_end; /* slice; none that lies behind it is purged: the records of a large fresh span need not be touched */

/* Which bits of from's word lie in [from, end), which is not empty. */
static uint64_t part(size_t from, size_t end) { return ~(uint64_t)0 >> (64 - min_size(64 - from % 64, end - from)) << from % 64; }

static size_t next_word(size_t slice) { return (slice | 63) + 1; }

void dirty_mark(size_t from, size_t n)
{
    for (size_t i = from; i < from + n; i = next_word(i)) *dirty_of(i) |= part(i, from + n);
}

void dirty_wipe(size_t from, size_t n)
{
    for (size_t i = from; i < from + n; i = next_word(i)) *dirty_of(i) &= ~part(i, from + n);
}

void dirty_purge(size_t from, size_t n)
{
    purged_end = (uint32_t)max_size(purged_end, from + n);
    for (size_t i = from; i < from + n; i = next_word(i)) *purged_of(i) |= *dirty_of(i) & part(i, from + n);
    dirty_wipe(from, n);
}

size_t dirty_retake(size_t from, size_t n)
{
    size_t count = 0;
    for (size_t i = from; i < min_size(from + n, purged_end); i = next_word(i)) {
        uint64_t again = *purged_of(i) & part(i, from + n);
        if (again) *purged_of(i) ^= again;
        count += (size_t)__builtin_popcountl(again);
    }
    return count;
}

size_t dirty_count(size_t from, size_t n)
{
    size_t count = 0;
    for (size_t i = from; i < from + n; i = next_word(i)) count += (size_t)__builtin_popcountl(*dirty_of(i) & part(i, from + n));
    return count;
}

size_t dirty_first(size_t from, size_t n)
{
    for (size_t i = from; i < from + n; i = next_word(i)) {
        uint64_t bits = *dirty_of(i) & part(i, from + n);
        if (bits) return (i & ~(size_t)63) + (size_t)__builtin_ctzl(bits);
    }
    return from + n;
}

size_t dirty_end(size_t from, size_t n)
{
    for (size_t end = from + n, low; end > from; end = low) {
        low = max_size(from, (end - 1) & ~(size_t)63);
        uint64_t bits = *dirty_of(low) & part(low, end);
        if (bits) return (low & ~(size_t)63) + log2_floor(bits) + 1;
    }
    return from;
}
