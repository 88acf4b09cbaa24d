/* seam.c: what mremap has moved is known piece by piece until a fresh mapping has taken its place (src/span/seam.c). */
#include "api/alloc.h"
#include "mappings.h"
#include "span/span.h"
#include "unit.h"
#include "watch/watch.h"

static const size_t M = (size_t)1 << 20;

static char *get(size_t size) { return memset(alloc_malloc(size), 1, size); }

/* Moves a block, which something follows by then, to where it has room for `size`. */
static char *move(char *block, size_t size)
{
    char *fence = get(M), *moved = alloc_realloc(block, size);
    require(moved != block, "in place\n");
    alloc_free(fence);
    return memset(moved, 1, size);
}

static void purged(unsigned before)
{
    purge_down_to(0);
    unsigned n = mappings_look().n;
    require(seam_count() == 0, "%zu moved ranges are still known of\n", seam_count());
    require(n == before, "%u mappings, %u before\n", n, before);
    require(watch_verify() == 0, "the heap is broken\n");
}

/* A block is moved, and cut; its tail is another's while it moves on. */
static void what_a_moved_block_leaves_of_its_range_is_healed(void)
{
    alloc_free(get(64 * M));
    purge_down_to(0); /* blocks are moved where it is clean */
    unsigned before = mappings_look().n;
    char *block = move(get(8 * M), 16 * M);
    char *end;
    do end = get(M);
    while (end < block); /* so that there is clean memory behind it */
    require(seam_count() == 1, "copied\n");
    block = alloc_realloc(block, 3 * M);
    char *tail;
    do tail = get(2 * M);
    while (tail < block || tail > block + 6 * M);
    block = move(block, 9 * M);
    require(seam_count() == 2, "%zu moved ranges, not what was moved and what was left\n", seam_count());
    alloc_free(block);
    alloc_free(tail);
    alloc_free(end);
    purged(before);
}

/* Where the system has moved 16 slices into the middle of a block, that is three mappings, wherever they go. */
static void a_block_is_moved_in_as_many_pieces_as_it_has(void)
{
    char *one = get(8 * M), *other = get(8 * M);
    size_t from = range_index(one), to = range_index(other);
    seam_move(from, to + 32, 16);
    require(seam_count() == 1, "%zu moved ranges of one\n", seam_count());
    seam_move(to, from, 128);
    require(seam_count() == 3, "%zu moved ranges of three\n", seam_count());
    seam_move(from + 40, to, 16);
    require(seam_count() == 5, "%zu moved ranges, of two are what was left and the second's middle is gone\n", seam_count());
    alloc_free(one);
    alloc_free(other);
    purge_down_to(0);
    require(seam_count() == 0, "%zu moved ranges are still known of\n", seam_count());
}

UNIT_MAIN(PROMISE(what_a_moved_block_leaves_of_its_range_is_healed), PROMISE(a_block_is_moved_in_as_many_pieces_as_it_has))
