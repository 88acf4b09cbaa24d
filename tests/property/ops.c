/*
 * ops.c: the random program, one op at a time, and the laws every op is held to.
 *
 *   a new block     is not NULL; aligned to max(16, what was asked for); usable size >= size; overlaps no live block; calloc's is zero
 *   a live block    keeps its usable size and its contents, whoever owns it by now, through realloc up to the smaller size too
 *   free            leaves errno alone; may come from any thread
 *   sizes of zero   malloc(0) is a block of its own; realloc(p, 0) frees p and returns NULL (glibc); realloc(NULL, n) is malloc(n)
 *   the impossible  over PTRDIFF_MAX gives NULL and ENOMEM, and what was there stays; a bad alignment is EINVAL and stores nothing
 *   mspacer         releases a live block (0), refuses everything else (1), takes NULL (0)
 *
 * A block is filled to the last byte of its usable size (samples only, where it is large), so the pattern also says that all of
 * the usable size may be written. An op that allocates into an occupied slot frees what was there first: every subsequence of a
 * run is a run.
 */
#include "ops.h"

#include "api.h"
#include "plant.h"
#include "support.h"

#include <sched.h>

struct rules op_rules;

/* free_sized and free_aligned_sized are C23's; a libc or library that has them may be asked. */
extern void free_sized(void *p, size_t size) __attribute__((weak));
extern void free_aligned_sized(void *p, size_t align, size_t size) __attribute__((weak));

/* ---- drawing ---- */

enum { PHASE_MIXED, PHASE_GROW, PHASE_SHRINK, PHASE_PASS_ON, PHASE_NPHASES };

/* How often each kind of op is drawn in each phase, of the row's sum. Trims are rarer still, see op_do. */
static const uint16_t weights[PHASE_NPHASES][OP_NKINDS] = {
    /*                 mal cal rea ray ali pos mem val pva std stn mspc free run mspr wrong chk exch zero imp trim */
    [PHASE_MIXED]   = {200, 80,120, 20, 15, 15, 15,  3,  3, 15, 10, 20, 250,  2, 20,   5, 30, 100,  5,  2, 0},
    [PHASE_GROW]    = {420,120,100, 10, 20, 20, 20,  3,  3, 15, 10, 30, 100,  0, 10,   5, 20,  50,  5,  2, 0},
    [PHASE_SHRINK]  = { 60, 20,100, 10,  5,  5,  5,  1,  1,  5,  5, 10, 500,  8, 40,   5, 30, 100,  5,  2, 1},
    [PHASE_PASS_ON] = {250, 50, 60, 10, 10, 10, 10,  1,  1, 10, 10, 20, 150,  1, 10,   5, 10, 500,  5,  2, 0},
};

void op_source_init(struct op_source *s, uint64_t seed, unsigned thread)
{
    memset(s, 0, sizeof *s);
    s->random = mix64(seed) + mix64(thread + 1);
}

/* Where allocators change their mind: multiples of 16, eighths of powers of two, pages; one below, on it, one above. */
static uint32_t size_draw(uint64_t *random)
{
    uint32_t kind = random_below(random, 1000), edge = random_below(random, 3) - 1;
    if (kind < 350) return random_below(random, 129);
    if (kind < 600) return (1 + random_below(random, 64)) * 16 + edge;
    if (kind < 820) return ((8 + random_below(random, 8)) << (1 + random_below(random, 12))) + edge;
    if (kind < 900) return random_below(random, 4097);
    if (kind < 950) return (1 + random_below(random, 16)) * 4096 + edge;
    if (kind < 994) return 32768 + random_below(random, 7 * 32768 + 1);
    if (kind < 999) return 262144 + random_below(random, 3 * 262144);
    return 262144 + random_below(random, 31 * 262144);
}

static void phase_draw(struct op_source *s)
{
    s->phase = (uint8_t)random_below(&s->random, PHASE_NPHASES);
    s->phase_left = 500 + random_below(&s->random, 12000);
    s->one_size = random_below(&s->random, 3) == 0 ? size_draw(&s->random) : 0;
    if (s->one_size > 65536) s->one_size %= 65536;
}

static uint8_t kind_draw(struct op_source *s)
{
    uint32_t sum = 0;
    for (unsigned k = 0; k < OP_NKINDS; k++) sum += weights[s->phase][k];
    uint32_t left = random_below(&s->random, sum);
    unsigned kind = 0;
    while (left >= weights[s->phase][kind]) left -= weights[s->phase][kind++];
    return (uint8_t)kind;
}

struct op op_draw(struct op_source *s)
{
    if (s->phase_left == 0) phase_draw(s);
    s->phase_left--;
    struct op op = {.kind = kind_draw(s)};
    op.slot = (uint16_t)random_below(&s->random, OP_NSLOTS);
    op.arg = (uint16_t)random_below(&s->random, 65536);
    op.size = size_draw(&s->random);
    if (s->one_size != 0 && op.arg % 16 != 0) op.size = s->one_size;
    /* 8 to 4096 mostly, now and then up to 2 MiB */
    op.align_shift = (uint8_t)(3 + random_below(&s->random, random_below(&s->random, 32) == 0 ? 19 : 10));
    return op;
}

void op_describe(const struct op *op, char *text, size_t size)
{
    static const char *const names[] = {
#define OP_NAME(name, text) text,
        OP_KINDS(OP_NAME)
#undef OP_NAME
    };
    snprintf(text, size, "slot %u: %s, size %u, align %zu, arg %u", op->slot, names[op->kind], op->size,
             (size_t)1 << op->align_shift, op->arg);
}

/* ---- one block ---- */

enum { PLAIN = 1 }; /* the alignment of who did not ask for one: the law's minimum, in block_take */

/* The allocator returned p for `size` bytes: hold it to the laws of a new block and remember it. */
static void block_take(struct worker *w, struct block *b, void *p, size_t size, size_t align)
{
    if (p == NULL) broke("null", "%zu bytes refused, errno %d", size, errno);
    p = plant_new(p, size);
    size_t least = op_rules.lenient ? 8 : 16;
    if (align < least || (op_rules.lenient && size == 0)) align = least;
    if ((uintptr_t)p % align != 0) broke("align", "%p of %zu bytes is not aligned to %zu", p, size, align);
    size_t claimed = (size + 7) & ~(size_t)7;
    void *taken = shadow_claim(p, size); /* before anything is asked about p */
    if (taken != NULL) broke("overlap", "%p of %zu bytes overlaps a live block at %p", p, size, taken);
    *b = (struct block){p, size, api_usable_size(p), align, w->next_id++ << 8};
    if (b->usable < size) broke("usable", "usable size of %p is %zu, but %zu bytes were asked for", p, b->usable, size);
    if (b->usable > claimed) taken = shadow_claim(b->address + claimed, b->usable - claimed);
    if (taken != NULL) broke("overlap", "%p of usable size %zu overlaps a live block at %p", p, b->usable, taken);
    pattern_fill(b);
}

static void block_check(const struct block *b)
{
    size_t usable = api_usable_size(b->address);
    if (usable != b->usable) broke("usable", "usable size of %p changed from %zu to %zu", (void *)b->address, b->usable, usable);
    size_t offset = pattern_check(b, b->address, b->usable);
    if (offset == SIZE_MAX) return;
    broke("contents", "byte %zu of %p (%zu bytes, usable %zu) changed", offset, (void *)b->address, b->size, b->usable);
}

/* Forget the block: it is about to be given back. Leaves it dirty, so that a calloc that forgets to clear is found out. */
static void block_forget(struct block *b, unsigned arg)
{
    block_check(b);
    plant_freed(b->address, b->size);
    if (b->usable <= 4096 ? arg % 2 == 0 : arg % 16 == 0) memset(b->address, 0xDB, b->usable);
    void *missing = shadow_release(b->address, b->usable);
    if (missing != NULL) broke("overlap", "%p was freed under a live block, at %p", (void *)b->address, missing);
}

static void block_free(struct block *b, unsigned arg)
{
    if (b->address == NULL) return;
    block_forget(b, arg);
    errno = 0x5A5A;
    if (free_sized != NULL && arg % 8 == 1 && b->align <= 16) free_sized(b->address, b->size);
    else api_free(b->address);
    if (errno != 0x5A5A) broke("errno", "free(%p) set errno to %d", (void *)b->address, errno);
    b->address = NULL;
}

/* ---- the ops ---- */

static void do_calloc(struct worker *w, struct block *b, const struct op *op)
{
    size_t n = 1 + op->arg % 4, each = op->size / n;
    unsigned char *p = plant_zeroed(api_calloc(n, each), n * each);
    size_t offset = p != NULL ? zero_check(p, n * each) : SIZE_MAX;
    if (offset != SIZE_MAX) broke("zero", "byte %zu of calloc(%zu, %zu) = %p is %#x", offset, n, each, (void *)p, p[offset]);
    block_take(w, b, p, n * each, PLAIN);
}

static void do_realloc(struct worker *w, struct block *b, const struct op *op)
{
    size_t n = op->kind == OP_REALLOCARRAY ? 1 + op->arg % 3 : 1, size = op->size / n * n;
    if (size == 0) size = n;
    struct block old = *b;
    if (old.address != NULL) {
        block_check(&old);
        plant_freed(old.address, old.size);
        shadow_release(old.address, old.usable);
    }
    void *p = op->kind == OP_REALLOCARRAY ? api_reallocarray(old.address, n, size / n) : api_realloc(old.address, size);
    if (p == NULL) broke("null", "realloc(%p, %zu) of %zu bytes refused, errno %d", (void *)old.address, size, old.size, errno);
    if (old.address != NULL) {
        p = plant_resized(p, old.size, size);
        /* the allocator knows the usable size only, so all of that is kept, up to the new size */
        size_t offset = pattern_check(&old, p, old.usable < size ? old.usable : size);
        if (offset != SIZE_MAX)
            broke("contents", "byte %zu lost by realloc(%p, %zu) = %p of %zu bytes", offset, (void *)old.address, size, p,
                  old.size);
    }
    block_take(w, b, p, size, PLAIN);
}

static void do_aligned(struct worker *w, struct block *b, const struct op *op)
{
    size_t align = (size_t)1 << op->align_shift;
    void *p = (void *)(uintptr_t)0xBAD0;
    if (op->kind == OP_ALIGNED_ALLOC) /* C11 had the size be a multiple; C17 and glibc do not care */
        p = api_aligned_alloc(align, op_rules.lenient ? (op->size + align - 1) & ~(align - 1) : op->size);
    else if (op->kind == OP_POSIX_MEMALIGN) {
        int error = api_posix_memalign(&p, align, op->size);
        if (error != 0) broke("null", "posix_memalign(%zu, %u) returned %d", align, op->size, error);
    } else if (!op_rules.lenient && op->arg % 4 == 0)
        p = api_memalign(align - align / 4, op->size); /* rounded up to a power of two */
    else p = api_memalign(align, op->size);
    block_take(w, b, plant_aligned(p, align), op->size, align);
}

static void do_valloc(struct worker *w, struct block *b, const struct op *op)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), size = op->size;
    if (op->kind == OP_PVALLOC) size = (size + page - 1) / page * page;
    bool rounds = op->kind == OP_PVALLOC && !op_rules.lenient; /* jemalloc has no pvalloc: glibc's would answer */
    block_take(w, b, rounds ? api_pvalloc(op->size) : api_valloc(size), size, page);
}

static void do_strdup(struct worker *w, struct block *b, const struct op *op)
{
    char text[256];
    size_t length = op->arg % (sizeof text - 1), keep = op->kind == OP_STRDUP ? length : op->size % sizeof text;
    memset(text, 'a' + (int)(length % 26), length);
    text[length] = '\0';
    char *copy = op->kind == OP_STRDUP ? api_strdup(text) : api_strndup(text, keep);
    if (keep > length) keep = length;
    if (copy != NULL && (strlen(copy) != keep || memcmp(copy, text, keep) != 0)) broke("contents", "strdup copied wrongly");
    block_take(w, b, copy, keep + 1, PLAIN);
}

static void do_mspacer(struct block *b, unsigned arg)
{
    if (!api_is_mspace()) { block_free(b, arg); return; }
    if (b->address == NULL) {
        if (mspacer(NULL) != 0) broke("mspacer", "mspacer(NULL) did not return 0");
        return;
    }
    block_forget(b, arg);
    if (mspacer(b->address) != 0) broke("mspacer", "mspacer(%p) refused a live block of %zu bytes", (void *)b->address, b->size);
    /* with other threads about, the block may be theirs by now */
    if (op_rules.alone && mspacer(b->address) != 1) broke("mspacer", "mspacer(%p) released a block twice", (void *)b->address);
    b->address = NULL;
}

/* What is not the start of a live block is refused, and nothing changes. */
static void do_mspacer_wrong(const struct block *b, const struct op *op)
{
    char local = 0;
    if (!api_is_mspace()) return;
    if (mspacer(&local) != 1) broke("mspacer", "mspacer() took an address on the stack");
    if (b->address == NULL || b->usable < 2) return;
    size_t inside = 1 + op->size % (b->usable - 1);
    if (op->arg % 2 == 0 && inside >= 16) inside &= ~(size_t)15;
    if (mspacer(b->address + inside) != 1)
        broke("mspacer", "mspacer() took %p + %zu, inside a block", (void *)b->address, inside);
    block_check(b);
}

static void do_zero(struct worker *w, struct block *b, const struct op *op)
{
    if (api_usable_size(NULL) != 0) broke("usable", "malloc_usable_size(NULL) is not 0");
    errno = 0x5A5A;
    api_free(NULL);
    if (errno != 0x5A5A) broke("errno", "free(NULL) set errno to %d", errno);
    if (b->address != NULL && op->arg % 2 == 0) {
        void *address = b->address;
        block_forget(b, op->arg);
        b->address = NULL;
        void *p = api_realloc(address, 0);
        if (p != NULL && !op_rules.lenient) broke("zero_size", "realloc(%p, 0) returned %p, not NULL", address, p);
        api_free(p);
        return;
    }
    block_free(b, op->arg);
    switch (op->arg / 2 % 4) {
    case 0: block_take(w, b, api_malloc(0), 0, PLAIN); break;
    case 1: block_take(w, b, api_calloc(op->size, 0), 0, PLAIN); break;
    case 2: block_take(w, b, api_realloc(NULL, 0), 0, PLAIN); break;
    default: block_take(w, b, api_memalign(64, 0), 0, 64); break;
    }
}

static void refused(const char *call, void *p, int expected)
{
    if (p != NULL) broke("impossible", "%s returned %p", call, p);
    if (errno != expected) broke("errno", "%s failed with errno %d instead of %d", call, errno, expected);
}

static void do_impossible(struct block *b, const struct op *op)
{
    size_t huge = opaque(op->arg % 2 == 0 ? (size_t)PTRDIFF_MAX + 1 + op->size : SIZE_MAX - op->size);
    size_t half = opaque(SIZE_MAX / 2 + 2);
    void *kept = (void *)(uintptr_t)0xBAD0;
    if (op_rules.lenient) return;
    errno = 0; refused("malloc(huge)", api_malloc(huge), ENOMEM);
    errno = 0; refused("calloc(huge, 1)", api_calloc(huge, 1), ENOMEM);
    errno = 0; refused("calloc with overflow", api_calloc(half, 2), ENOMEM);
    errno = 0; refused("realloc(p, huge)", api_realloc(b->address, huge), ENOMEM);
    errno = 0; refused("reallocarray with overflow", api_reallocarray(b->address, half, 2), ENOMEM);
    errno = 0; refused("memalign(4096, huge)", api_memalign(4096, huge), ENOMEM);
    errno = 0; refused("aligned_alloc(64, huge)", api_aligned_alloc(64, huge), ENOMEM);
    if (api_posix_memalign(&kept, 4096, huge) != ENOMEM) broke("errno", "posix_memalign(4096, huge) did not return ENOMEM");
    if (api_posix_memalign(&kept, 24, 100) != EINVAL) broke("errno", "posix_memalign(24, 100) did not return EINVAL");
    if (api_posix_memalign(&kept, 4, 100) != EINVAL) broke("errno", "posix_memalign(4, 100) did not return EINVAL");
    if (api_posix_memalign(&kept, 0, 100) != EINVAL) broke("errno", "posix_memalign(0, 100) did not return EINVAL");
    if (kept != (void *)(uintptr_t)0xBAD0) broke("impossible", "a failed posix_memalign changed the pointer");
    if (b->address != NULL) block_check(b);
}

static void do_exchange(struct block *b, struct exchange *place)
{
    while (__atomic_exchange_n(&place->lock, 1, __ATOMIC_ACQUIRE) != 0) sched_yield();
    struct block offered = place->block;
    place->block = *b;
    *b = offered;
    __atomic_store_n(&place->lock, 0, __ATOMIC_RELEASE);
}

void op_do(struct worker *w, struct exchange *exchange, const struct op *op)
{
    struct block *b = &w->slots[op->slot];
    bool into_empty = op->kind <= OP_MSPACEC && op->kind != OP_REALLOC && op->kind != OP_REALLOCARRAY;
    w->op = *op;
    if (into_empty) block_free(b, op->arg);
    switch ((enum op_kind)op->kind) {
    case OP_MALLOC: block_take(w, b, api_malloc(op->size), op->size, PLAIN); break;
    case OP_CALLOC: do_calloc(w, b, op); break;
    case OP_REALLOC: case OP_REALLOCARRAY: do_realloc(w, b, op); break;
    case OP_ALIGNED_ALLOC: case OP_POSIX_MEMALIGN: case OP_MEMALIGN: do_aligned(w, b, op); break;
    case OP_VALLOC: case OP_PVALLOC: do_valloc(w, b, op); break;
    case OP_STRDUP: case OP_STRNDUP: do_strdup(w, b, op); break;
    case OP_MSPACEC: block_take(w, b, api_is_mspace() ? mspacec(op->size) : api_malloc(op->size), op->size, PLAIN); break;
    case OP_FREE: block_free(b, op->arg); break;
    case OP_FREE_RUN:
        for (unsigned i = 0; i < op->arg % 512; i++) block_free(&w->slots[(op->slot + i) % OP_NSLOTS], op->arg + i);
        break;
    case OP_MSPACER: do_mspacer(b, op->arg); break;
    case OP_MSPACER_WRONG: do_mspacer_wrong(b, op); break;
    case OP_CHECK: if (b->address != NULL) block_check(b); break;
    case OP_EXCHANGE: do_exchange(b, &exchange[op->arg % OP_NEXCHANGE]); break;
    case OP_ZERO: do_zero(w, b, op); break;
    case OP_IMPOSSIBLE: do_impossible(b, op); break;
    case OP_TRIM: if (op->arg % 16 == 0) api_trim(0); break; /* one in 10^5 ops, or trimming is all that happens */
    case OP_NKINDS: break;
    }
}

void op_check_all(struct worker *w)
{
    for (size_t i = 0; i < OP_NSLOTS; i++)
        if (w->slots[i].address != NULL) block_check(&w->slots[i]);
}

void op_free_all(struct worker *w, struct exchange *exchange)
{
    for (unsigned i = 0; i < OP_NSLOTS; i++) block_free(&w->slots[i], i);
    for (unsigned i = 0; exchange != NULL && i < OP_NEXCHANGE; i++) block_free(&exchange[i].block, i);
}
