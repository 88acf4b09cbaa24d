/* layout.c: where blocks and tables lie: what the first blocks of a class share, and that not all meet in the same places of the
 * caches. */
#include "blocks.h"
#include "fail.h"
#include "heap/remote.h"

#include <sys/syscall.h>

static void first_blocks_of_a_medium_class_leave_dirty_memory_to_others(void)
{
    enum { SIZE = 5000, LARGE = 1 << 20 };
    void *large = alloc_malloc(LARGE);
    /* the range grows by more than is wanted, in the end */
    for (int i = 0; i < 100 && spans.totals.clean < 8; i++) alloc_malloc(LARGE);
    memset(large, 1, LARGE);
    alloc_free(large);
    size_t dirty = spans.totals.dirty;
    require(dirty >= LARGE / SLICE_SIZE, "%zu slices are dirty\n", dirty);
    blocks[0] = alloc_malloc(SIZE);
    require(spans.totals.dirty == dirty, "the first block took %zu dirty slices\n", dirty - spans.totals.dirty);
    fill(many(SIZE), SIZE);
    require(spans.totals.dirty == 0, "%zu dirty slices are left, for more than there were\n", spans.totals.dirty);
    sound();
}

enum { NSLICES = 1024 }; /* what the table is made for at least */

/* And what most need, eight words, lies together, 64 slices on a page: each page is a page fault of some free. */
static void words_of_remote_bits_lie_apart_and_close(void)
{
    static bool has[NSLICES * REMOTE_WORDS], has_page[NSLICES * REMOTE_WORDS * 8 / PAGE];
    size_t npages = 0;
    fill(1, 16);
    for (unsigned word = 0; word < REMOTE_WORDS; word++)
        for (size_t slice = 0; slice < NSLICES; slice++) {
            size_t place = (size_t)(remote_word(range.records + slice, word) - &range.remote[0][0][0][0]);
            require(place < NSLICES * REMOTE_WORDS && !has[place], "word %u of slice %zu is another's, or outside\n", word,
                    slice);
            has[place] = true;
            if (word < 8 && !has_page[place * 8 / PAGE]) has_page[place * 8 / PAGE] = true, npages++;
        }
    require(npages == NSLICES / 64, "%zu pages\n", npages);
    alloc_free(blocks[0]);
}

static void few_blocks_of_many_classes_share_spans(void)
{
    alloc_malloc(1);
    size_t before = live_nbytes(), n = 0;
    for (unsigned class = 0; class < NSMALL; class++)
        if (class_table[class].size > OFTEN_USED) blocks[n++] = alloc_malloc(class_table[class].size);
    require(n > 20 && live_nbytes() - before <= 5 * SLICE_SIZE, "%zu blocks, each of another class, have %zu bytes of spans\n", n,
            live_nbytes() - before);
    free_some(&(struct range_of_blocks){n, 1, 0});
    sound();
}

static void first_blocks_of_a_class_are_as_aligned_as_all(void)
{
    for (size_t alignment = GRANULE; alignment <= PAGE; alignment *= 2)
        for (size_t size = 1; size <= 2000; size += 150)
            for (int i = 0; i < 3; i++) {
                void *p = alloc_memalign(alignment, size);
                require(p && (uintptr_t)p % alignment == 0 && alloc_usable_size(p) >= size, "memalign(%zu, %zu) is %p\n",
                        alignment, size, p);
            }
    fill(BORROWED + 1, 300);
    require(alloc_usable_size(blocks[BORROWED]) == class_table[class_of(300)].size, "the classes go on borrowing\n");
    sound();
}

static void first_blocks_of_a_class_are_not_moved_by_realloc(void)
{
    for (unsigned class = 0; class < NCLASSES; class++) {
        size_t size = class ? class_table[class - 1].size + 1 : 1;
        void *p = alloc_malloc(size);
        require(alloc_realloc(p, size) == p, "a first block of %zu bytes has %zu, and is moved\n", size, alloc_usable_size(p));
    }
}

static void *one_that_is_not_borrowed(size_t size)
{
    for (int i = 0; i < YOUNG + BORROWED; i++) alloc_malloc(size);
    return alloc_malloc(size);
}

static void what_realloc_leaves_less_than_nearly_half_of_gets_a_smaller_block(void)
{
    for (unsigned class = 2; class < NCLASSES; class++) {
        void *p = one_that_is_not_borrowed(class_table[class].size);
        size_t usable = alloc_usable_size(p), size = usable / 32 * 15 - 1, less;
        one_that_is_not_borrowed(size);
        less = alloc_usable_size(p = alloc_realloc(p, size));
        require(less < usable, "%zu bytes of %zu stay there\n", size, usable);
        alloc_free(p);
    }
}

static pthread_barrier_t meeting;

static void *take_young_blocks(void *place)
{
    for (int i = 0; i < YOUNG * NSMALL; i++) {
        ((void **)place)[i] = alloc_malloc(class_table[i / YOUNG].size);
        /* four in a row would be whole lines of any size; and the others have heaps of their own */
        pthread_barrier_wait(&meeting);
    }
    return NULL;
}

static size_t line_of(const void *block, size_t offset) { return ((uintptr_t)block + offset) / CACHE_LINE; }

/* The first has a heap that is never young; the others want more blocks than the shared heap itself borrows. */
static void first_blocks_of_threads_share_no_line(void)
{
    enum { EACH = YOUNG * NSMALL, NTHREADS = 4 };
    pthread_t threads[NTHREADS];
    pthread_barrier_init(&meeting, NULL, NTHREADS);
    for (int i = 0; i < NTHREADS; i++)
        require(pthread_create(&threads[i], NULL, take_young_blocks, blocks + i * EACH) == 0, "no thread\n");
    for (int i = 0; i < NTHREADS; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < NTHREADS * EACH; i++)
        for (int k = 0; k < i / EACH * EACH; k++) {
            uint32_t size = class_table[i % EACH / YOUNG].size, other = class_table[k % EACH / YOUNG].size;
            require(line_of(blocks[i], size - 1) < line_of(blocks[k], 0) || line_of(blocks[k], other - 1) < line_of(blocks[i], 0),
                    "%p of %u bytes and %p of %u\n", blocks[i], size, blocks[k], other);
        }
}

/* A string that grows and is dropped, a few times, say; and all threads are there at once. */
static void *pass_through_medium_classes(void *unused)
{
    for (int i = 0; i < 8; i++) /* as few as leave them young: a class at first serves the sizes of others, too */
        for (unsigned class = NSMALL; class < NCLASSES; class++)
            if (class_table[class].first == class) alloc_free(alloc_malloc(class_table[class].size));
    pthread_barrier_wait(&meeting);
    return unused;
}

static void few_medium_blocks_of_many_threads_share_spans(void)
{
    enum { NTHREADS = 8 };
    pthread_t threads[NTHREADS];
    alloc_malloc(1);
    pthread_barrier_init(&meeting, NULL, NTHREADS);
    for (int i = 0; i < NTHREADS; i++)
        require(pthread_create(&threads[i], NULL, pass_through_medium_classes, NULL) == 0, "no thread\n");
    for (int i = 0; i < NTHREADS; i++) pthread_join(threads[i], NULL);
    size_t nspans = 0;
    span_for_each (span) nspans += span_state(span) == SPAN_CURRENT && span_desc(span)->class >= NSMALL;
    require(nspans <= NCLASSES - NSMALL, "%zu spans for %d classes\n", nspans, NCLASSES - NSMALL);
    sound();
}

/* Its first two are left, and nobody else will ask for any. */
static void *grow_up_beside(void *unused)
{
    enum { SIZE = 5000 };
    fill(YOUNG_MEDIUM, SIZE);
    size_t before = spans.totals.live;
    free_some(&(struct range_of_blocks){YOUNG_MEDIUM, 1, 2});
    alloc_malloc(SIZE);
    require(spans.totals.live == before, "%zu slices more, though the shared heap had room\n", spans.totals.live - before);
    return unused;
}

static void what_young_heaps_have_left_goes_to_who_has_grown_up(void)
{
    alloc_malloc(1);
    in_thread(grow_up_beside, NULL);
    free_some(&(struct range_of_blocks){2, 1, 0});
    sound();
}

static void *leave_half(void *unused)
{
    size_t n = many(500);
    fill(n, 500);
    free_some(&(struct range_of_blocks){n, 2, 0});
    return unused;
}

static void a_class_that_can_borrow_nothing_has_its_own(void)
{
    alloc_malloc(1);
    in_thread(leave_half, NULL);
    os_fail(SYS_mmap, 1, (unsigned long)-1, ENOMEM);
    while (alloc_malloc(SLICE_SIZE)) {
    }
    void *p = alloc_malloc(500);
    os_fail(SYS_mmap, 0, 0, 0);
    require(p != NULL, "no block, though spans of a thread that is gone have some\n");
    sound();
}

/* The hash by which AMD's processors since Zen find the way of a line: two lines of a set that agree in it throw each other
 * out. */
static unsigned way_hash(const void *p)
{
    static const uint8_t pairs[][2] = {{12, 27}, {13, 26}, {14, 25}, {15, 20}, {16, 21}, {17, 22}, {18, 23}, {19, 24}};
    unsigned hash = 0;
    for (int i = 0; i < 8; i++) hash |= (unsigned)(((uintptr_t)p >> pairs[i][0] ^ (uintptr_t)p >> pairs[i][1]) & 1) << i;
    return hash;
}

static void *make_a_heap(void *unused)
{
    (void)unused;
    alloc_free(alloc_malloc(16));
    return NULL;
}

/* Of a small program: the first eight pages of descs, heaps and blocks in the first four slices. */
static void tables_and_first_blocks_do_not_meet_in_the_cache(void)
{
    fill(1, 16);
    in_thread(make_a_heap, NULL);
    require(heap_at(2) != NULL, "the other thread has no heap\n");
    const char *tables[] = {(char *)range.table, (char *)range.records, (char *)range.remote, (char *)heap_at(2)};
    bool has_hash[256] = {false};
    for (size_t i = 0; i < 4 * SLICE_SIZE; i += PAGE) has_hash[way_hash((char *)range.base + i)] = true;
    for (int i = 0; i < 4; i++)
        for (size_t page = 0; page < 8; page++) {
            unsigned hash = way_hash(tables[i] + page * PAGE);
            require(!has_hash[hash], "page %zu of table %d meets another, or a block\n", page, i);
            has_hash[hash] = true;
        }
    alloc_free(blocks[0]);
}

/* The rows of a matrix, say: 64 sets of lines, of 8 and more. */
static void first_lines_of_large_rows_fit_into_the_first_level_cache(void)
{
    enum { WAYS = 12 };
    static const struct {
        size_t size, nrows; /* of 33 to 128 KiB fewer, for none has a page more than it needs */
    } ROWS[] = {{2 * KIB, 512}, {4 * KIB, 512}, {8 * KIB, 512}, {16 * KIB, 512}, {40000, 128},
                {80000, 256}, {160000, 512}, {300000, 512}, {1000000, 512}, {4000000, 512}};
    for (unsigned k = 0; k < sizeof ROWS / sizeof *ROWS; k++)
        for (size_t every = 1; every <= 2; every++) {
            size_t size = ROWS[k].size, nrows = ROWS[k].nrows, nlines[64] = {0}, nmore = 0;
            fill(every * nrows, size);
            for (size_t i = 0; i < every * nrows; i += every) nlines[(uintptr_t)blocks[i] / CACHE_LINE % 64]++;
            for (int set = 0; set < 64; set++) nmore += nlines[set] > WAYS ? nlines[set] - WAYS : 0;
            require(nmore <= nrows / 16, "of %zu blocks of %zu bytes %zu begin where %d others do\n", nrows, size, nmore, WAYS);
            free_some(&(struct range_of_blocks){every * nrows, 1, 0});
        }
}

UNIT_MAIN(PROMISE(first_blocks_of_a_medium_class_leave_dirty_memory_to_others),
          PROMISE(words_of_remote_bits_lie_apart_and_close),
          PROMISE(few_blocks_of_many_classes_share_spans),
          PROMISE(first_blocks_of_a_class_are_as_aligned_as_all),
          PROMISE(first_blocks_of_a_class_are_not_moved_by_realloc),
          PROMISE(what_realloc_leaves_less_than_nearly_half_of_gets_a_smaller_block),
          PROMISE(first_blocks_of_threads_share_no_line),
          PROMISE(few_medium_blocks_of_many_threads_share_spans),
          PROMISE(what_young_heaps_have_left_goes_to_who_has_grown_up),
          PROMISE(a_class_that_can_borrow_nothing_has_its_own),
          PROMISE(tables_and_first_blocks_do_not_meet_in_the_cache),
          PROMISE(first_lines_of_large_rows_fit_into_the_first_level_cache))
