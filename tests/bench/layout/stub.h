/* stub.h - a heap of one thread that only measures: the layout of libmspace with its open choices as macros.
 *
 * One mapping holds everything. A slice is 64 KiB; each has a descriptor (what free reads) and a record (what the
 * slow paths write), both out of line. A span is a run of slices, cut into blocks of one class:
 *
 *      | descriptors, 64 B a slice | records, 64 B a slice | bits, 512 B a slice |   ...   | slice | slice | slice ...
 *                                                                                          ^ base
 *      stub_malloc(size)   class -> the thread's pair for the class -> pop
 *      stub_free(p)        slice of p -> descriptor -> is p the start of a carved block? -> push onto the span's pair
 *
 * A pair is {list, frees until the next event}. While a span is current its pair is the thread's own, one per class;
 * otherwise the one in its record. Events: enough frees make a full span available; the rest of them make it empty.
 * It is deliberately not the real heap: no threads, no remote frees, nothing above 32 KiB, nothing ever given back.
 *
 * Laws: a block is on at most one list; capacity == live + free + never carved, for every span. */
#ifndef LAYOUT_STUB_H
#define LAYOUT_STUB_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "choices.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define INLINE static inline __attribute__((always_inline))
/* Not `cold`: on that hint gcc 12.2 moves the half of free that pushes the block to another section. */
#define SLOW static __attribute__((noinline))
#define ALIGNED_LINE __attribute__((aligned(64)))

#define SLICE_SHIFT 16
#define SLICE ((size_t)1 << SLICE_SHIFT)
#define NSLICES ((size_t)RANGE_MIB << (20 - SLICE_SHIFT))
#define GRANULE 16
#define NCLASSES 72
#define SMALL_MAX ((size_t)32 << 10)
#define MAX_SLICES 8
#define WORDS_PER_SLICE (SLICE / GRANULE / 64)
#define PARKED INT64_MAX
#define COUNT_UNIT ((int64_t)1 << (SUM == 2 ? 31 : 0))
#define COUNT_END (SUM == 2) /* the last free of a packed countdown makes it negative */

struct block {
    struct block *next;
    uintptr_t tag;
};

struct pair {
    struct block *head; /* BITS_ONLY: unused */
    int64_t countdown;
    uint64_t sum[SUM == 1]; /* of the offsets freed since the span was full; no bytes where it is not chosen */
};

struct desc {
    struct heap *owner;
    struct pair *pair;
    uint64_t reciprocal; /* floor(2^64 / size) + 1 */
    uint64_t bound; /* blocks carved * (reciprocal * size - 2^64): see is_block */
    uintptr_t start;
    uint32_t carved; /* bytes from start that have ever been blocks */
    uint16_t size;
    uint8_t class;
#if PAIR_INLINE
    struct pair own; /* instead of the record's */
#endif
} ALIGNED_LINE;
_Static_assert(sizeof(struct desc) == 64 || (PAIR_INLINE && SUM == 1), "a descriptor is one line");

struct span {
    struct span *prev, *next; /* the available list of its class; free spans use next alone */
    struct pair pair;
    struct desc *desc; /* of its first slice */
    uint32_t capacity, nslices;
    bool available;
} ALIGNED_LINE;

/* What malloc reads for a class. Lists need the head alone; the rest serves the variants with bits. */
struct current {
    struct pair pair;
    uint64_t *word; /* BITS_ONLY: the word that malloc takes bits from, never NULL */
    char *origin; /* BITS_ONLY: the block of its bit 0; BITS_BLOCK: the span's start */
    uint64_t factor; /* BITS_ONLY: the size; BITS_BLOCK: the reciprocal */
    uint64_t *bits;
    struct span *span;
} ALIGNED_LINE;

struct heap {
    struct current current[NCLASSES];
    struct span available[NCLASSES]; /* sentinels */
    uint64_t nrefills, nfresh, nreleased;
};

static struct {
    char *base;
    size_t limit; /* slices in use, ever */
    struct desc *descs;
    struct span *spans;
    uint64_t *bits;
    struct span *free[MAX_SLICES + 1]; /* by nslices, newest first */
} range;
static uintptr_t stub_secret;
static uint8_t class_of[SMALL_MAX / GRANULE + 1]; /* by size in granules, rounded up */
static uint32_t class_size[NCLASSES];
static uint64_t no_bits;
static __thread struct heap *stub_heap __attribute__((tls_model("initial-exec")));

static __attribute__((noipa, noreturn)) void stub_fatal(const char *what, const void *p)
{
    fprintf(stderr, "stub: %s %p\n", what, p);
    abort();
}

/* ---- small helpers ---- */

INLINE uintptr_t block_tag(const struct block *b, const struct block *next)
{
    return (uintptr_t)b ^ (uintptr_t)next ^ stub_secret;
}

INLINE void block_link(struct block *b, struct block *next)
{
    b->next = next;
    if (TAG) b->tag = block_tag(b, next);
}

/* 2^64 / size rounded down, plus 1. */
INLINE uint64_t reciprocal_of(uint32_t size) { return UINT64_MAX / size + 1 + ((size & (size - 1)) == 0); }

/* The quotient offset / size for an exact multiple, out of the multiplication that tested it. */
INLINE size_t quotient(uint64_t offset, uint64_t reciprocal) { return (size_t)(((unsigned __int128)offset * reciprocal) >> 64); }

INLINE uint64_t *bits_of(const struct desc *d)
{
    return range.bits + ((d->start - (uintptr_t)range.base) >> SLICE_SHIFT) * WORDS_PER_SLICE;
}

INLINE struct span *span_of(const struct desc *d) { return range.spans + ((d->start - (uintptr_t)range.base) >> SLICE_SHIFT); }

INLINE struct pair *own_pair(struct span *s)
{
#if PAIR_INLINE
    return &s->desc->own;
#else
    return &s->pair;
#endif
}

/* Is offset that of a block that was carved? With R = floor(2^64 / size) + 1 and e = R * size - 2^64 (1 <= e <= size),
 * offset = q * size + r gives offset * R = q * 2^64 + (q * e + r * R). For r = 0 the low word is q * e, under carved * e
 * if and only if q < carved; otherwise it is at least R, over 2^48, far above any carved * e. One comparison does both. */
INLINE bool is_block(const struct desc *d, uint64_t offset)
{
    if (FUSED) return LIKELY(offset * d->reciprocal < d->bound);
    return LIKELY(offset * d->reciprocal < d->reciprocal) && LIKELY(offset < d->carved);
}

static void set_carved(struct desc *d, uint32_t nblocks)
{
    d->carved = nblocks * d->size;
    d->bound = nblocks * (d->reciprocal * d->size);
}

static uint32_t frees_to_wake(const struct span *s)
{
    uint32_t n = s->capacity / WAKE_DIV;
    return n > WAKE_CAP ? WAKE_CAP : n < WAKE_FLOOR ? WAKE_FLOOR : n;
}

static void each_desc_pair(struct span *s, struct pair *pair)
{
    for (uint32_t i = 0; i < s->nslices; i++) s->desc[i].pair = pair;
}

static void list_insert_after(struct span *at, struct span *s)
{
    s->prev = at, s->next = at->next;
    at->next->prev = s, at->next = s;
}

static void list_remove(struct span *s) { s->prev->next = s->next, s->next->prev = s->prev; }

/* ---- spans: taken from the free ones or from the end of the range ---- */

/* The fewest slices whose tail waste is under 1/50, at least MIN_SLICES. */
static uint32_t slices_for(uint32_t size)
{
    uint32_t n = MIN_SLICES;
    while (n < MAX_SLICES && n * SLICE % size * 50 > n * SLICE) n++;
    return n;
}

static struct span *span_take(struct heap *h, uint32_t class)
{
    uint32_t size = class_size[class], nslices = slices_for(size);
    struct span *s = range.free[nslices];
    if (s)
        range.free[nslices] = s->next;
    else {
        if (range.limit + nslices > NSLICES) stub_fatal("range is used up", NULL);
        s = range.spans + range.limit;
        range.limit += nslices;
        h->nfresh++;
    }
    size_t first = (size_t)(s - range.spans);
    s->desc = range.descs + first;
    s->nslices = nslices;
    s->capacity = (uint32_t)(nslices * SLICE / size);
    s->available = false;
    for (uint32_t i = 0; i < nslices; i++)
        s->desc[i] = (struct desc){.owner = h,
                                   .size = (uint16_t)size,
                                   .class = (uint8_t) class,
                                   .reciprocal = reciprocal_of(size),
                                   .start = (uintptr_t)range.base + first * SLICE};
    if (BITS == BITS_ONLY) { /* nothing to carve: all bits at once */
        uint64_t *bits = bits_of(s->desc);
        for (uint32_t k = 0; k < s->capacity; k += 64)
            bits[k / 64] = s->capacity - k >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << (s->capacity - k)) - 1;
        for (uint32_t i = 0; i < nslices; i++) set_carved(s->desc + i, s->capacity);
    }
    return s;
}

static void span_release(struct heap *h, struct span *s)
{
    if (SCAN) { /* every block must be a free one, else a free counted twice */
        const char *p = (const char *)s->desc->start, *end = p + s->desc->carved;
        for (; p < end; p += s->desc->size) {
            const struct block *b = (const struct block *)p;
            if (UNLIKELY(b->tag != block_tag(b, b->next))) stub_fatal("double free in the span of", b);
        }
    }
    uint64_t n = s->capacity, sum = 0;
    if (SUM == 1) sum = own_pair(s)->sum[0];
    if (SUM == 2) sum = (uint64_t)(own_pair(s)->countdown + COUNT_UNIT);
    if (SUM && UNLIKELY(sum != n * (n - 1) / 2 * s->desc->size)) stub_fatal("double free in the span of", (void *)s->desc->start);
    for (uint32_t i = 0; i < s->nslices; i++) s->desc[i].owner = NULL;
    s->next = range.free[s->nslices];
    range.free[s->nslices] = s;
    h->nreleased++;
}

/* ---- slow paths ---- */

/* Cuts the next 4 KiB of blocks, at least one, lowest address first. */
static void carve(struct current *c, struct span *s)
{
    uint32_t size = s->desc->size, left = s->capacity - s->desc->carved / size;
    uint32_t n = size < 4096 ? 4096 / size : 1;
    if (n > left) n = left;
    char *start = (char *)s->desc->start + s->desc->carved;
    struct block *next = NULL;
    for (uint32_t k = n; k-- > 0;) {
        struct block *b = (struct block *)(start + (size_t)k * size);
        block_link(b, next);
        next = b;
    }
    if (BITS == BITS_BLOCK || BITS == BITS_GRANULE) {
        for (uint32_t k = 0; k < n; k++) {
            uint32_t i = s->desc->carved / size + k;
            if (BITS == BITS_GRANULE) i = i * (size / GRANULE);
            bits_of(s->desc)[i / 64] |= (uint64_t)1 << (i % 64);
        }
    }
    c->pair.head = next;
    for (uint32_t i = s->nslices; i-- > 0;) set_carved(s->desc + i, s->desc->carved / size + n);
}

static struct span *pick(struct span *list)
{
    if (list->next == list) return NULL;
    if (PICK == PICK_OLDEST) return list->prev;
    struct span *best = list->next, *s = best->next;
    if (PICK == PICK_FULLEST) /* of the four newest; the countdown is the number of live blocks */
        for (int i = 1; i < 4 && s != list; i++, s = s->next)
            if (own_pair(s)->countdown > own_pair(best)->countdown) best = s;
    return best;
}

static void make_current(struct current *c, struct span *s)
{
    c->span = s;
    c->pair = (struct pair){.head = s->available ? own_pair(s)->head : NULL, .countdown = PARKED};
    s->available = false;
    c->bits = bits_of(s->desc);
    if (BITS != BITS_ONLY) c->factor = s->desc->reciprocal;
    c->origin = (char *)s->desc->start;
    each_desc_pair(s, &c->pair);
}

/* A full span: frees go to its own pair from now on, and the first event is its waking. */
static void let_go(struct span *s)
{
    *own_pair(s) = (struct pair){.countdown = (int64_t)(frees_to_wake(s) - COUNT_END) * COUNT_UNIT};
    each_desc_pair(s, own_pair(s));
}

/* BITS_ONLY: moves to the next word of the current span with a bit in it, round and round. */
static bool next_word(struct current *c)
{
    if (!c->span) return false;
    size_t nwords = (c->span->capacity + 63) / 64, at = c->word == &no_bits ? 0 : (size_t)(c->word - c->bits);
    for (size_t i = 0; i < nwords; i++, at++) {
        if (at >= nwords) at -= nwords;
        if (!c->bits[at]) continue;
        c->word = c->bits + at;
        c->origin = (char *)c->span->desc->start + at * 64 * c->span->desc->size;
        return true;
    }
    return false;
}

SLOW void heap_refill(struct heap *h, uint32_t class)
{
    struct current *c = &h->current[class];
    struct span *s = c->span;
    h->nrefills++;
    if (BITS == BITS_ONLY && next_word(c)) return;
    if (s && s->desc->carved < s->capacity * s->desc->size) {
        carve(c, s);
        return;
    }
    if (s) let_go(s);
    if ((s = pick(&h->available[class])) != NULL)
        list_remove(s);
    else
        s = span_take(h, class);
    make_current(c, s);
    if (BITS == BITS_ONLY) {
        c->word = &no_bits;
        next_word(c);
    } else if (!c->pair.head)
        carve(c, s);
}

/* A countdown reached zero: of a full span, which becomes available; of an available one, which is empty. */
SLOW void heap_event(struct heap *h, struct desc *d)
{
    struct span *s = span_of(d);
    if (d->pair != own_pair(s)) { /* current: a packed countdown lasts for 2^32 frees only */
        d->pair->countdown = PARKED;
        return;
    }
    if (!s->available) {
        s->available = true;
        own_pair(s)->countdown += (int64_t)(s->capacity - frees_to_wake(s)) * COUNT_UNIT;
        list_insert_after(&h->available[d->class], s);
        if (s->capacity > frees_to_wake(s)) return;
    }
    list_remove(s);
    span_release(h, s);
}

static __attribute__((noinline)) void *malloc_slow(size_t size);

/* ---- the doors ---- */

INLINE void *stub_malloc_fast(size_t size)
{
    if (UNLIKELY(size > SMALL_MAX)) return NULL;
    uint32_t class = class_of[(size + GRANULE - 1) / GRANULE];
    struct current *c = &stub_heap->current[class];
    if (BITS == BITS_ONLY) {
        uint64_t w = *c->word;
        if (UNLIKELY(!w)) return malloc_slow(size);
        *c->word = w & (w - 1);
        return c->origin + (size_t)__builtin_ctzll(w) * c->factor;
    }
    struct block *b = c->pair.head;
    if (UNLIKELY(!b)) return malloc_slow(size);
    struct block *next = b->next;
    if (TAG) {
        if (UNLIKELY(b->tag != block_tag(b, next))) return malloc_slow(size);
        b->tag = 0;
    }
    if (BITS == BITS_BLOCK) {
        size_t i = quotient((uintptr_t)b - (uintptr_t)c->origin, c->factor);
        c->bits[i / 64] &= ~((uint64_t)1 << (i % 64));
    }
    if (BITS == BITS_GRANULE) {
        size_t i = ((uintptr_t)b - (uintptr_t)range.base) / GRANULE;
        range.bits[i / 64] &= ~((uint64_t)1 << (i % 64));
    }
    if (PREFETCH) __builtin_prefetch(next, 1);
    c->pair.head = next;
    return b;
}

/* False: not a block in use, as far as the variant can tell; nothing was changed. */
INLINE bool stub_free_fast(void *p)
{
    size_t index = ((uintptr_t)p - (uintptr_t)range.base) >> SLICE_SHIFT;
    if (UNLIKELY(index >= range.limit)) return false;
    struct desc *d = range.descs + index;
    struct heap *h = stub_heap;
    if (UNLIKELY(d->owner != h)) return false;
    uint64_t offset = (uintptr_t)p - d->start;
    if (UNLIKELY(!is_block(d, offset))) return false;
    struct block *b = p;
    struct pair *pair = d->pair;
    if (BITS == BITS_BLOCK || BITS == BITS_GRANULE || BITS == BITS_ONLY) {
        uint64_t *bits = BITS == BITS_GRANULE ? range.bits : bits_of(d);
        size_t i = BITS == BITS_GRANULE ? ((uintptr_t)p - (uintptr_t)range.base) / GRANULE : quotient(offset, d->reciprocal);
        uint64_t *word = bits + i / 64, bit = (uint64_t)1 << (i % 64);
        if (UNLIKELY(*word & bit)) return false;
        *word |= bit;
    }
    if (BITS != BITS_ONLY) {
        struct block *head = pair->head;
        bool compare =
            AT_FREE == AT_FREE_TAG || (AT_FREE == AT_FREE_TAG_IF_CURRENT && (uintptr_t)pair - (uintptr_t)h < sizeof h->current);
        if (compare && UNLIKELY(b->tag == block_tag(b, b->next))) return false;
        if (AT_FREE == AT_FREE_HEAD && UNLIKELY(head == b)) return false;
        block_link(b, head);
        pair->head = b;
    }
    if (SUM == 1) pair->sum[0] += offset;
    if (SUM == 2) {
        int64_t step = (int64_t)offset - COUNT_UNIT;
        __asm__("" : "+r"(step)); /* else gcc loads, adds, stores and tests instead of adding to memory */
        if (UNLIKELY((pair->countdown += step) < 0)) heap_event(h, d);
    } else if (UNLIKELY(--pair->countdown == 0))
        heap_event(h, d);
    return true;
}

/* Functions of their own, so that callgrind can count what they execute and no caller specialises them. */
static __attribute__((noinline, noipa, aligned(64), unused)) void *stub_malloc(size_t size) { return stub_malloc_fast(size); }
static __attribute__((noinline, noipa, aligned(64), unused)) void stub_free(void *p)
{
    if (UNLIKELY(!stub_free_fast(p))) stub_fatal("free(): not a block in use:", p);
}

static __attribute__((noinline)) void *malloc_slow(size_t size)
{
    uint32_t class = class_of[(size + GRANULE - 1) / GRANULE];
    if (stub_heap->current[class].pair.head)
        stub_fatal("malloc(): corrupt or doubly freed:", stub_heap->current[class].pair.head);
    heap_refill(stub_heap, class);
    return stub_malloc_fast(size);
}

/* ---- start ---- */

static void classes_init(void)
{
    uint32_t size = 0, n = 0, step = GRANULE;
    while (size < SMALL_MAX) { /* 16-byte steps to 256, then 8 a doubling */
        if (size >= 256 && (size & (size - 1)) == 0) step = size / 8;
        size += step;
        class_size[n++] = size;
    }
    for (uint32_t k = 0, class = 0; k <= SMALL_MAX / GRANULE; k++) {
        if (k * GRANULE > class_size[class]) class ++;
        class_of[k] = (uint8_t) class;
    }
}

static void *map(size_t nbytes)
{
    char *p = mmap(NULL, nbytes + (2 << 20), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) stub_fatal("mmap failed", NULL);
    return (char *)(((uintptr_t)p + (2 << 20) - 1) & -(uintptr_t)(2 << 20));
}

static __attribute__((unused)) void stub_init(void)
{
    classes_init();
    range.base = map(NSLICES * SLICE);
    range.descs = map(NSLICES * sizeof(struct desc));
    range.spans = map(NSLICES * sizeof(struct span));
    range.bits = map(NSLICES * WORDS_PER_SLICE * 8);
    if (HUGE) madvise(range.base, NSLICES * SLICE, MADV_HUGEPAGE);
    struct heap *h = map(sizeof *h);
    for (uint32_t k = 0; k < NCLASSES; k++) {
        h->available[k].next = h->available[k].prev = &h->available[k];
        h->current[k].word = &no_bits;
        h->current[k].factor = class_size[k];
    }
    stub_secret = (uintptr_t)&range * UINT64_C(0x9E3779B97F4A7C15);
    stub_heap = h;
}

#endif
