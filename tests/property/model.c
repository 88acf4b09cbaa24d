/*
 * model.c: the shadow of the heap, kept where the allocator cannot reach it.
 *
 * One bit says of each 8-byte granule of the address space whether a live block covers it. A block sets its bits after malloc
 * returned and clears them before free is called, so a bit found set already is an overlap, exactly: no false alarm from a block
 * that another thread has just been given. The bits lie in leaves of 16 MiB, each for 1 GiB of addresses, mapped when first
 * needed:
 *
 *     address  | 63 .. 47 zero | 46 .. 30 index in directory | 29 .. 9 word of the leaf | 8 .. 3 bit | 2 .. 0 |
 *     directory[131072] -> leaf of 2^21 words, one per 512 bytes of heap
 *
 * Laws: a granule's bit is set exactly while one live block covers it; a leaf, once in the directory, stays.
 * No lock: words change by atomic or/and, a leaf is put in place by compare-and-swap. Blocks are 8-byte aligned at least (checked
 * first), so no two blocks share a granule.
 */
#include "model.h"
#include "support.h"

enum { GRANULE_SHIFT = 3, WORD_SHIFT = GRANULE_SHIFT + 6, LEAF_SHIFT = 30, ADDRESS_BITS = 47 };
#define LEAF_NBYTES (((size_t)1 << (LEAF_SHIFT - GRANULE_SHIFT)) / 8)
#define DIRECTORY_LENGTH ((size_t)1 << (ADDRESS_BITS - LEAF_SHIFT))

static uint64_t **directory;

void shadow_init(void)
{
    directory = map_zeroed(DIRECTORY_LENGTH * sizeof *directory);
}

/* The word of bits for the 512 bytes around `address`. */
static uint64_t *shadow_word(uintptr_t address)
{
    require(address >> ADDRESS_BITS == 0, "%#zx is no user address\n", (size_t)address);
    uint64_t **place = &directory[address >> LEAF_SHIFT];
    uint64_t *leaf = __atomic_load_n(place, __ATOMIC_ACQUIRE); /* pairs with the release below: the leaf is mapped */
    if (leaf == NULL) {
        uint64_t *fresh = map_zeroed(LEAF_NBYTES);
        if (__atomic_compare_exchange_n(place, &leaf, fresh, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) leaf = fresh;
        else munmap(fresh, LEAF_NBYTES); /* another thread was first; leaf is now its leaf */
    }
    return leaf + ((address & (((uintptr_t)1 << LEAF_SHIFT) - 1)) >> WORD_SHIFT);
}

/* Set or clear the bits of [p, p + n); NULL, or the first address whose bit was not the opposite. */
static void *shadow_change(const void *p, size_t n, bool set)
{
    uintptr_t first = (uintptr_t)p >> GRANULE_SHIFT, end = ((uintptr_t)p + n + 7) >> GRANULE_SHIFT;
    while (first < end) {
        unsigned bit = (unsigned)(first & 63);
        size_t nbits = end - first < 64 - bit ? end - first : 64 - bit;
        uint64_t mask = (nbits == 64 ? ~(uint64_t)0 : ((uint64_t)1 << nbits) - 1) << bit;
        uint64_t *word = shadow_word(first << GRANULE_SHIFT);
        /* acq_rel for the sanitizers' sake; the allocator itself must order the hand-over of a block from free to malloc */
        uint64_t old = set ? __atomic_fetch_or(word, mask, __ATOMIC_ACQ_REL) : __atomic_fetch_and(word, ~mask, __ATOMIC_ACQ_REL);
        uint64_t wrong = (set ? old : ~old) & mask;
        if (wrong != 0) return (void *)(((first & ~(uintptr_t)63) + (unsigned)__builtin_ctzll(wrong)) << GRANULE_SHIFT);
        first += nbits;
    }
    return NULL;
}

void *shadow_claim(const void *p, size_t n) { return shadow_change(p, n, true); }
void *shadow_release(const void *p, size_t n) { return shadow_change(p, n, false); }

/* ---- contents ----
 * The 8 bytes at offset k (a multiple of 8) of a block hold mix(id, k): never all zero in practice, different in every block and
 * at every offset, so a stale, shifted or foreign byte is seen. Which ranges are written depends on id and usable size alone.
 */
enum { WHOLE_NBYTES = 1024, END_NBYTES = 64, SAMPLES_MAX = 16 };

static inline uint64_t pattern_word(uint64_t id, size_t offset)
{
    uint64_t z = (id + offset) * UINT64_C(0x9E3779B97F4A7C15);
    return z ^ (z >> 29) ^ UINT64_C(0x8080808080808080);
}

/* The k-th range [*from, *to) that carries the pattern; false when there are no more. *from is a multiple of 8. */
static bool pattern_range(const struct block *b, size_t k, size_t *from, size_t *to)
{
    size_t n = b->usable;
    if (n <= WHOLE_NBYTES) { *from = 0; *to = n; return k == 0; }
    if (k == 0) { *from = 0; *to = END_NBYTES; return true; }
    if (k == 1) { *from = (n - END_NBYTES) & ~(size_t)7; *to = n; return true; }
    size_t nsamples = n / 4096 < SAMPLES_MAX ? n / 4096 + 1 : SAMPLES_MAX;
    if (k - 2 >= nsamples) return false;
    *from = END_NBYTES + (mix64(b->id ^ (k << 48)) % (n - 2 * END_NBYTES) & ~(size_t)7);
    *to = *from + 8;
    return true;
}

void pattern_fill(const struct block *b)
{
    size_t from, to;
    for (size_t k = 0; pattern_range(b, k, &from, &to); k++) {
        for (; from + 8 <= to; from += 8) {
            uint64_t word = pattern_word(b->id, from);
            memcpy(b->address + from, &word, 8);
        }
        uint64_t last = pattern_word(b->id, from);
        memcpy(b->address + from, &last, to - from);
    }
}

size_t pattern_check(const struct block *b, const unsigned char *p, size_t limit)
{
    size_t from, to;
    for (size_t k = 0; pattern_range(b, k, &from, &to); k++) {
        if (to > limit) to = limit;
        for (; from < to; from += 8) {
            uint64_t expected = pattern_word(b->id, from), found = expected;
            memcpy(&found, p + from, to - from < 8 ? to - from : 8);
            if (found != expected) return from + (size_t)__builtin_ctzll(found ^ expected) / 8; /* little end first */
        }
    }
    return SIZE_MAX;
}

size_t zero_check(const unsigned char *p, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t word;
        memcpy(&word, p + i, 8);
        if (word != 0) break;
    }
    for (; i < n; i++)
        if (p[i] != 0) return i;
    return SIZE_MAX;
}
