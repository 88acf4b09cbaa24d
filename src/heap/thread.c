/* thread.c - heaps and threads: the table of heaps, the pool of those whose threads are gone, the shared heap.
 *
 *      heap 0, 1: the first thread's, the shared heap (both in .bss)    heap 2, 3, ...: one after the other, mapped in steps,
 *                                                                       16 GiB above the records, never unmapped
 *
 * The pool is two stacks of indices with a version beside each, changed by compare-and-swap; since a record stays a record
 * for ever, reading the link of one that somebody else has just popped is harmless, and the version makes the swap
 * fail. Push is release and pop acquire: a thread that adopts a heap sees all that its last owner did.
 *
 * thread.state: NEW may get a heap, LIVE has one, GONE has given it back and never gets another: whatever it still
 * allocates comes from the shared heap. */
#include "../os/map.h"
#include "../os/options.h"
#include "again.h"
#include "remote.h"

/* above the records, which end 32 GiB above; in pages see range.c */
static const uintptr_t TABLE_DISTANCE = 16 * GIB + 0x1c * PAGE;
static const size_t TABLE_STEP = 64 * KIB, HEAPS_MAX = 1 << 20;

/* A link cleared is a link broken, for no address has these bits: the last would be of a kernel's, the first of a misaligned
 * block's. */
static const uint64_t SECRET_BITS = (uint64_t)1 << 63 | 1;

const struct pair heap_empty[NCLASSES];
uint64_t heap_secret;
size_t heap_share, heap_again_share;
__thread struct thread thread;

struct heap heaps_static[NSTATIC];
static struct lock shared_lock;
static struct {
    struct lock lock;      /* rank 2, beside the page level's: never both */
    _Atomic(size_t) count; /* heaps in use at any time */
    size_t mapped;         /* bytes of the table that are mapped */
    /* fixed by the first of them: the range may be drawn again later, in a child of a fork beside the first malloc */
    uintptr_t start;
} table;
static _Atomic(uint32_t) nowned; /* heaps that threads have now */
_Atomic(bool) heaps_untrimmed;
static _Atomic(uint64_t) pools[2]; /* version << 32 | index + 1 of the top, 0 empty */

static struct heap *place(size_t index)
{
    if (index < NSTATIC) return &heaps_static[index];
    return (struct heap *)(table.start + (index - NSTATIC) * sizeof(struct heap));
}

size_t heap_count(void) { return atomic_load_explicit(&table.count, memory_order_acquire); }
struct heap *heap_at(size_t index) { return index < heap_count() ? place(index) : NULL; }

/* libc's word, true until a thread starts; but pthread_cancel may have kept it from being told (glibc 2.36). musl has none. */
extern char __libc_single_threaded __attribute__((weak));
bool heap_is_alone(void)
{
    return &__libc_single_threaded && __libc_single_threaded &&
           atomic_load_explicit(&table.count, memory_order_relaxed) <= NSTATIC;
}

static void share(uint32_t nheaps)
{
    size_t all = options.limit.hard ? 0 : options.dirty >> SLICE_SHIFT, one = all / max_size(nheaps, 1);
    __atomic_store_n(&heap_share, one, __ATOMIC_RELAXED);
    __atomic_store_n(&heap_again_share, min_size(AGAIN_MOST, AGAIN_SHARES * min_size(one, AGAIN_MOST)), __ATOMIC_RELAXED);
}

static void init(struct heap *heap, size_t index, enum heap_state state)
{
    heap->index = (uint32_t)index;
    heap->room = PENDING_MAX;
    for (unsigned class = 0; class < NCLASSES; class ++) {
        list_init(&heap->available[class]);
        if (class >= NSMALL) heap->pairs[class].left = PATROL_EVERY;
        if (index < NSTATIC) heap->nfirst[class] = (uint8_t)heap_nyoung(class); /* a lone thread shares with nobody */
    }
    atomic_store_explicit(&heap->state, state, memory_order_release);
}

void heap_start(uint64_t secret)
{
    heap_secret = secret | SECRET_BITS;
    init(place(0), 0, HEAP_POOLED);
    share(0);
    atomic_store_explicit(&table.count, NSTATIC, memory_order_release);
    /* a fork may have photographed a pool with the heap in it */
    for (int i = 0; i < 2; i++) atomic_store_explicit(&pools[i], 0, memory_order_relaxed);
    heap_pool(place(0), POOL_LEFT);
}

struct heap *heap_take_shared(void)
{
    struct heap *shared = &heaps_static[SHARED];
    lock_take(&shared_lock);
    thread.shared = 1;
    if (UNLIKELY(PEEK(shared->state) != HEAP_SHARED)) init(shared, SHARED, HEAP_SHARED);
    return shared;
}

void heap_drop_shared(void)
{
    thread.shared = 0;
    lock_drop(&shared_lock);
}

void *heap_refill_shared(unsigned class, bool *is_zero)
{
    void *block = heap_refill(heap_take_shared(), class, is_zero);
    heap_drop_shared();
    return block;
}

void heap_abandon(void)
{
    if (thread.shared) heap_drop_shared();
    thread.state = THREAD_GONE;
    thread.heap = thread.frees = thread.own = 0;
}

void heap_pool(struct heap *heap, enum heap_pool in)
{
    _Atomic(uint64_t) *pool = &pools[in];
    atomic_store_explicit(&heap->state, HEAP_POOLED, memory_order_relaxed);
    uint64_t top = atomic_load_explicit(pool, memory_order_relaxed), new;
    do {
        atomic_store_explicit(&heap->pool_next, (uint32_t)top, memory_order_relaxed);
        new = ((top >> 32) + 1) << 32 | (heap->index + 1);
    } while (!atomic_compare_exchange_weak_explicit(pool, &top, new, memory_order_release, memory_order_relaxed));
}

struct heap *heap_unpool(enum heap_pool from)
{
    _Atomic(uint64_t) *pool = &pools[from];
    uint64_t top = atomic_load_explicit(pool, memory_order_acquire), new;
    struct heap *heap;
    do {
        if (!(uint32_t)top) return NULL;
        heap = place((uint32_t)top - 1);
        new = ((top >> 32) + 1) << 32 | atomic_load_explicit(&heap->pool_next, memory_order_relaxed);
    } while (!atomic_compare_exchange_weak_explicit(pool, &top, new, memory_order_acquire, memory_order_acquire));
    return heap;
}

struct heap *heap_unpool_any(void)
{
    struct heap *heap = heap_unpool(POOL_LEFT);
    return heap ? heap : heap_unpool(POOL_TRIMMED);
}

static bool map_place(size_t index)
{
    if (!table.mapped) table.start = ((uintptr_t)range.records & ~(PAGE - 1)) + TABLE_DISTANCE;
    uintptr_t first = (uintptr_t)place(NSTATIC), end = (uintptr_t)(place(index) + 1);
    if (end <= first + table.mapped) return true;
    if (os_map_here((void *)(first + table.mapped), TABLE_STEP) != OS_DONE) return false;
    table.mapped += TABLE_STEP;
    return true;
}

static struct heap *add(void)
{
    lock_take(&table.lock);
    size_t index = atomic_load_explicit(&table.count, memory_order_relaxed);
    bool fits = index < HEAPS_MAX && map_place(index);
    if (fits) init(place(index), index, HEAP_OWNED), atomic_store_explicit(&table.count, index + 1, memory_order_release);
    lock_drop(&table.lock);
    return fits ? place(index) : NULL;
}

COLD struct heap *heap_acquire(void)
{
    struct heap *heap = heap_unpool_any();
    if (!heap && !(heap = add())) return NULL;
    /* not before: nothing is kept for a heap that is out of the pool while a span of its is adopted */
    atomic_store_explicit(&heap->state, HEAP_OWNED, memory_order_relaxed);
    share(atomic_fetch_add_explicit(&nowned, 1, memory_order_relaxed) + 1);
    thread.state = THREAD_LIVE;
    thread.own = heap_identity(heap);
    heap->reuses = false; /* as it was when a fork left it */
    return heap;
}

COLD void heap_retire(void)
{
    struct heap *heap = heap_own();
    heap_abandon(); /* from here every call of this thread is slow and uses the shared heap */
    if (!heap) return;
    share(atomic_fetch_sub_explicit(&nowned, 1, memory_order_relaxed) - 1);
    heap_drain(heap, false); /* its next thread will want what is current */
    heap_patrol(heap);       /* short threads in turn would never come to it, nor would it ever rest */
    heap->pooled_since = 0;
    atomic_store_explicit(&heap->is_untrimmed, true, memory_order_relaxed);
    heap_pool(heap, POOL_LEFT);
}

/* What a busy heap allocates from, lists, or is about to let go or has just taken back. */
static bool is_in_use(struct span *span)
{
    enum span_state state = span_state(span);
    if (state == SPAN_FULL) return !(remote_load(span) & REMOTE_FULL);
    return state == SPAN_CURRENT || state == SPAN_AVAILABLE;
}

/* A heap that a vanished thread was changing: nothing in it is read again. What it was allocating from is lost, since
 * nobody knows how far the change had come; its full spans go on, they are on no list of its. */
static void lose(struct heap *heap)
{
    atomic_store_explicit(&heap->state, HEAP_LOST, memory_order_relaxed);
    span_for_each (span) {
        if (!is_in_use(span) || heap_of_owner(span_desc(span)->owner) != heap) continue;
        span_set_state(span, SPAN_LOST);
        pair_set(&span->pair, 0, DUE_PARKED); /* nobody may take the pair of whoever uses the heap next for this span's */
        span_repoint(span, &span->pair);
    }
}

bool heaps_have_vanished;

static void repair_shared(void)
{
    if (!lock_break(&shared_lock)) return;
    struct heap *shared = &heaps_static[SHARED];
    lose(shared);
    __builtin_memset(shared->pairs, 0, sizeof shared->pairs);
    __builtin_memset(shared->bits, 0, sizeof shared->bits);
    __builtin_memset(shared->current, 0, sizeof shared->current);
    atomic_store_explicit(&shared->nturns, 0, memory_order_relaxed);
    heaps_have_vanished = true;
    init(shared, SHARED, HEAP_SHARED);
}

void heaps_repair(struct heap *own, bool are_all_gone)
{
    lock_break(&table.lock);
    repair_shared();
    again_granted = 0;
    atomic_store_explicit(&nowned, own != NULL, memory_order_relaxed), share(own != NULL);
    for (int i = 0; i < 2; i++) atomic_store_explicit(&pools[i], 0, memory_order_relaxed);
    for (size_t i = 0; heap_at(i); i++) {
        struct heap *heap = place(i);
        uint32_t state = atomic_load_explicit(&heap->state, memory_order_relaxed);
        for (unsigned k = 0; k < KEPT_PLACES; k++) atomic_store_explicit(&heap->kept[k], NULL, memory_order_relaxed);
        heap->again = (struct again){.nslices = 0};
        if (heap == own || i == SHARED || state == HEAP_LOST) continue;
        if (state == HEAP_OWNED) heaps_have_vanished = true;
        atomic_store_explicit(&heap->is_untrimmed, true, memory_order_relaxed);
        if (atomic_load_explicit(&heap->busy, memory_order_relaxed)) lose(heap);
        else if (are_all_gone || state == HEAP_POOLED) heap_pool(heap, POOL_LEFT);
    }
}
