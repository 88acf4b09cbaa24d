/* alloc.c - one malloc and one free, from the top; resizing is in resize.c. */
#include "alloc.h"
#include "../guard/diagnose.h"
#include "../guard/fill.h"
#include "../heap/large.h"
#include "../heap/remote.h"
#include "../os/lock.h"
#include "../os/options.h"
#include "life.h"

#include <errno.h>
#include <string.h>

COLD void *alloc_refuse(void) { return errno = ENOMEM, NULL; }

/* The calling thread's heap, made now if it may have one; NULL sends it to the shared heap. */
static struct heap *own_heap(void)
{
    struct heap *heap = heap_own();
    return LIKELY(heap != NULL) ? heap : life_thread();
}

/* Hardened mode: a small block must be as it was left when it was freed or carved. */
static COLD void check_intact(const void *block)
{
    const struct desc *desc = range.table + range_index(block);
    if (desc->class < NSMALL && !fill_is_intact(block, desc->size))
        crime_report("malloc()", &(struct evidence){CRIME_OVERWRITTEN, block, block, desc->size});
}

static void *from_class(unsigned class, bool *is_zero)
{
    struct heap *heap = own_heap();
    void *block;
    if (LIKELY(heap != NULL)) {
        heap_enter(heap);
        block = heap_refill(heap, class, is_zero);
        heap_leave(heap);
    } else {
        block = heap_refill_shared(class, is_zero);
    }
    heap_patrol_now_and_then(heap);
    if (UNLIKELY(options.mode == MODE_HARDENED) && block) check_intact(block);
    return block;
}

static void *once(size_t size, size_t alignment, bool *is_zero)
{
    *is_zero = false;
    if (size <= MEDIUM_MAX && alignment <= PAGE) return from_class(class_of_aligned(size, alignment), is_zero);
    void *block = large_alloc(own_heap(), size, 0, alignment, is_zero);
    purge_now_and_then(size >> SLICE_SHIFT);
    return block;
}

/* As long as another thread has had a free span out of everybody's reach meanwhile, to purge 2 MiB of it. */
static COLD void *once_purged(size_t size, size_t alignment, bool *is_zero)
{
    for (int left_ms = 100;; left_ms--) {
        uint32_t npurged = PEEK(spans.npurged);
        void *block = once(size, alignment, is_zero);
        if (block || !left_ms || (npurged == PEEK(spans.npurged) && !PEEK(spans.npurging))) return block;
        lock_pause(1);
    }
}

/* Out of memory: what is free but out of reach is fetched, and the request tried once more. */
static COLD void *once_more(size_t size, size_t alignment, bool *is_zero)
{
    if (heap_own()) heap_drain(heap_own(), true);
    heap_trim_pooled(0, false);
    large_give_all_kept();
    void *block = once_purged(size, alignment, is_zero);
    if (block) return block;
    if (size <= MEDIUM_MAX) limit_open_reserve();
    return alloc_refuse();
}

static const size_t BYTES_MAX = (size_t)SLICES_MAX << SLICE_SHIFT; /* more than the range can be */

/* alignment: at most GRANULE for any; at most PAGE where a class has it; else a large block's. */
static void *get(size_t size, size_t alignment, bool *is_zero)
{
    life_check();
    if (UNLIKELY(size > BYTES_MAX || alignment > BYTES_MAX - size)) return alloc_refuse();
    void *block = once(size, alignment, is_zero);
    return LIKELY(block != NULL) ? block : once_more(size, alignment, is_zero);
}

SLOW void *alloc_malloc_slow(size_t size)
{
    life_check();
    void *block = size <= MEDIUM_MAX ? from_class(class_of(size), &(bool){false}) : NULL;
    return LIKELY(block != NULL) ? block : get(size, GRANULE, &(bool){false});
}

SLOW void *alloc_malloc_next(size_t size)
{
    if (size > MEDIUM_MAX) life_check(); /* now and then its heap patrols */
    if (size <= SMALL_MAX || UNLIKELY(!thread.heap)) return NULL;
    struct heap *heap = heap_of_identity(thread.heap);
    return size <= MEDIUM_MAX ? block_pop_bits(heap, class_of(size)) : large_again(heap, size);
}

void *alloc_malloc(size_t size)
{
    void *block = block_pop(size);
    if (UNLIKELY(!block)) block = alloc_malloc_next(size);
    return LIKELY(block != NULL) ? block : alloc_malloc_slow(size);
}

static SLOW void *zeroed_slow(size_t size)
{
    bool is_zero;
    void *block = get(size, GRANULE, &is_zero);
    if (!block || is_zero) return block;
    if (size > KEPT_SLICES * SLICE_SIZE) large_zero(block, size);
    else memset(block, 0, size);
    return block;
}

void *alloc_zeroed(size_t size)
{
    void *block = block_pop(size);
    return LIKELY(block != NULL) ? memset(block, 0, size) : zeroed_slow(size);
}

static enum alloc_verdict tell(const char *entry, struct evidence evidence)
{
    crime_report(entry, &evidence);
    return ALLOC_OURS;
}

SLOW bool alloc_is_free_somewhere(const struct desc *desc, const void *p)
{
    bool is_small = desc->class < NSMALL;
    struct span *span = span_of_start(desc->start);
    unsigned k = desc_index(desc, p);
    struct heap *own = heap_own(), *owner = heap_of_owner(PEEK(desc->owner));
    if (remote_has(remote_load(span)) && remote_is_posted(span, k)) return true;
    if (own && is_small && block_is_with(own, desc->class, p)) return true;
    if (own && owner == own)
        return is_small ? block_is_on(span->pair.head, p) : block_is_listed(span, k) || desc->pair->bits >> k & 1;
    if (own && remote_is_gathered(own, span, k)) return true;
    if (!is_small) return remote_is_free_at_owner(span, k);
    if (LIKELY(options.mode == MODE_FAST) || !owner) return false;
    /* Its owner may change the list meanwhile. What it takes off shows no link, then or later (heap_give): the way ends there,
     * and leads to no block that is out. */
    return block_is_with(owner, desc->class, p) || block_is_on(PEEK(span->pair.head), p);
}

/* A block of the calling thread's that the fast path refused, if only because it refuses everything in hardened mode. False: it
 * is free already. */
static bool free_own(const struct desc *desc, void *p)
{
    if (desc->class >= NSMALL) block_own(p);
    if (desc->class >= NSMALL && block_is_listed(span_of_start(desc->start), desc_index(desc, p))) return false;
    if (desc->class >= NSMALL) heap_look_at_list(heap_own(), desc->class, true); /* it may be full */
    enum push pushed =
        desc->class < NSMALL ? block_push_small(p, desc, desc->pair) : block_push_medium(p, desc, desc->list, false, false);
    if (pushed == PUSH_EVENT) alloc_event(p);
    return pushed != PUSH_REFUSED;
}

/* Frees of others' blocks before a thread that allocates nothing gets a heap to gather them in. Those few at the end of a thread,
 * when key destructors and libc free what its creator has made, would get it one that nobody takes away any more. */
enum { FREES_ALONE = 16 };

static struct heap *gathering_heap(void) { return heap_own() || thread.nfrees++ >= FREES_ALONE ? own_heap() : NULL; }

/* A block of another heap's. False: it is free already. A small one gets its link, so that a second free and a write after the
 * free are seen when its owner takes it in. In hardened mode it is posted at once, so that a second free is seen whoever makes
 * it. */
static bool free_remote(const struct desc *desc, void *p)
{
    struct span *span = span_of_start(desc->start);
    struct heap *heap = LIKELY(options.mode == MODE_FAST) ? gathering_heap() : NULL;
    unsigned k = desc_index(desc, p);
    if (heap) heap_count_others(heap, desc->class);
    if (desc->class < NSMALL && PEEK(heaps_reuse) && block_is_sound(p) && block_is_reused(p, desc->class)) return false;
    if (desc->class < NSMALL) block_link(p, NULL);
    else if (remote_is_free_at_owner(span, k)) return false;
    if (heap) heap_enter(heap);
    bool was_live = remote_free(heap, span, k);
    if (heap) heap_leave(heap);
    heap_patrol_now_and_then(heap);
    return was_live;
}

/* A small or medium span's pointer: exact start, ever carved, then to its owner. */
static enum alloc_verdict free_in_span(const char *entry, const struct desc *desc, struct heap *owner, void *p)
{
    if (!desc_is_start(desc, p)) return tell(entry, diagnose_inside(p));
    bool is_hardened = UNLIKELY(options.mode == MODE_HARDENED), was_live = !is_hardened || !alloc_is_free(desc, p);
    if (is_hardened && was_live) fill_free(p, desc->size);
    if (was_live) was_live = owner == heap_own() ? free_own(desc, p) : free_remote(desc, p);
    return was_live ? ALLOC_OURS : tell(entry, (struct evidence){CRIME_DOUBLE, p, p, desc->size});
}

static SLOW enum alloc_verdict free_slow(const char *entry, void *p)
{
    if (!p) return ALLOC_OURS;
    life_check();
    if (!range_has(p)) return ALLOC_FOREIGN;
    const struct desc *desc = range.table + range_index(p);
    struct heap *owner = heap_of_owner(PEEK(desc->owner));
    return owner ? free_in_span(entry, desc, owner, p) : tell(entry, diagnose_inside(p));
}

/* block_push_anyones, of another's medium block: as the only one on its list, for who frees many in a row would keep what their
 * owners want (../README.md). Nothing in it says that it is free already as a remote one. */
static SLOW enum push push_others_medium(void *p)
{
    const struct desc *desc = range.table + range_index(p);
    if (!range_has(p) || desc->class < NSMALL || !desc_is_start(desc, p)) return PUSH_REFUSED;
    struct heap *heap = heap_own();
    struct pair *list = &heap->pairs[desc->class];
    if (list->head || PEEK(desc->owner) == thread.heap + OWNER_MEDIUM) return PUSH_REFUSED;
    struct span *span = span_of_start(desc->start);
    unsigned k = desc_index(desc, p);
    if (remote_is_gathered(heap, span, k) || (remote_has(remote_load(span)) && remote_is_posted(span, k))) return PUSH_REFUSED;
    enum push pushed = block_push_medium(p, desc, list, true, true);
    heap->nothers += pushed != PUSH_REFUSED;
    return pushed;
}

SLOW enum alloc_verdict alloc_free_slow(const char *entry, void *p)
{
    bool reuses = thread.frees != thread.heap;
    enum push pushed = UNLIKELY(reuses) ? push_others_medium(p) : PUSH_REFUSED;
    if (pushed != PUSH_REFUSED) return pushed == PUSH_EVENT ? alloc_event(p) : (void)0, ALLOC_OURS;
    if (UNLIKELY(reuses) && remote_gather(p)) return ALLOC_OURS;
    struct span *large = large_of(p);
    if (large) life_check();
    return large && large_keep(large) ? ALLOC_OURS : free_slow(entry, p);
}

SLOW void alloc_event(void *p)
{
    life_check();
    heap_event(p);
}

COLD void alloc_report_foreign(const char *entry, const void *p) { tell(entry, diagnose_outside(&process, p, &(bool){false})); }

void alloc_free_as(const char *entry, void *p)
{
    enum push pushed = block_push(p);
    if (pushed == PUSH_REFUSED) pushed = alloc_push_others(p);
    if (LIKELY(pushed == PUSH_DONE)) return;
    if (pushed == PUSH_EVENT) alloc_event(p);
    else if (alloc_free_slow(entry, p) == ALLOC_FOREIGN) alloc_report_foreign(entry, p);
}

/* memalign(3) as glibc has it: an alignment that is no power of two is rounded up to one. */
static SLOW void *memalign_slow(size_t alignment, size_t size)
{
    if (alignment <= GRANULE) return alloc_malloc(size);
    if (alignment > SIZE_MAX / 2 + 1) return errno = EINVAL, NULL;
    if (!is_power_of_two(alignment)) alignment = (size_t)2 << log2_floor(alignment);
    return get(max_size(size, 1), alignment, &(bool){false});
}

void *alloc_memalign(size_t alignment, size_t size)
{
    bool is_plain = is_power_of_two(alignment) && alignment >= ALIGNMENT_MIN && alignment <= PAGE && size - 1 < MEDIUM_MAX;
    unsigned class = LIKELY(is_plain) ? PEEK(*class_place(size, alignment)) : 0;
    void *block = LIKELY(class) ? block_pop_class(class) : NULL;
    return LIKELY(block != NULL) ? block : memalign_slow(alignment, size);
}
