/* trim_small.c: pages on which only free small blocks lie are given back by malloc_trim, and when they rest; the blocks come back
 * (src/heap/trim.c). */
#include "api/alloc.h"
#include "os/options.h"
#include "limit.h"
#include "patrol.h"
#include "unit.h"
#include "watch/watch.h"

#include <sys/mman.h>

static const size_t SIZES[] = {16, 48, 112, 256, 320, 528, 704, 960, 1040};
enum { NBYTES = 4 << 20 };

static unsigned char *block[NBYTES / 16];
static bool is_live[NBYTES / 16];
static int nblocks;
static size_t size;

static void sound(void) { require(watch_verify() == 0, "the heap is broken\n"); }

static void get(int i)
{
    require((block[i] = alloc_malloc(size)) != NULL, "out of memory\n");
    memset(block[i], i % 255 + 1, size);
    is_live[i] = true;
}

static void require_intact(void)
{
    for (int i = 0; i < nblocks; i++) require(!is_live[i] || is_filled(block[i], size, i % 255 + 1), "block %d has changed\n", i);
}

/* So that on a page there are two in use, or fewer: of the smallest nearly all go. */
static void get_and_free_most(uint64_t *random)
{
    nblocks = (int)(NBYTES / size);
    for (int i = 0; i < nblocks; i++) get(i);
    for (int i = 0; i < nblocks; i++)
        if (random_below(random, (uint32_t)(2 * PAGE / size)) != 0) alloc_free(block[i]), is_live[i] = false;
}

/* Pages of spans that have other blocks and are not current, on which no block in use lies: how many there are, and how many are
 * resident. */
static int count_idle(int *nresident)
{
    int nidle = 0;
    *nresident = 0;
    span_for_each (span) {
        uint32_t used = 0;
        unsigned char is[SLICE_SIZE / PAGE];
        if (span_state(span) != SPAN_AVAILABLE || span_desc(span)->size != size) continue;
        for (int i = 0; i < nblocks; i++)
            if (is_live[i] && range_index(block[i]) == span_index(span))
                used |= span_pages_of(class_of(size), desc_index(span_desc(span), block[i]));
        require(mincore(span_address(span), SLICE_SIZE, is) == 0, "mincore: errno %d\n", errno);
        for (unsigned page = 0; page < class_table[class_of(size)].capacity * size / PAGE; page++)
            if (!(used >> page & 1)) nidle++, *nresident += is[page] & 1;
    }
    return nidle;
}

static void of_each_size(const char *promise, void (*run)(uint64_t *random))
{
    options.dirty = (size_t)1 << 30; /* whole spans stay */
    uint64_t random = seed_choose(promise, unit_argument);
    alloc_free(memset(alloc_malloc(1 << 20), 1, 1 << 20));
    purge_down_to(0); /* the first page of all that is given back is read once (os_discard) */
    for (size_t k = 0; k < sizeof SIZES / sizeof *SIZES; k++) {
        size = SIZES[k];
        run(&random);
        sound();
        for (int i = 0; i < nblocks; i++)
            if (!is_live[i]) get(i);
        require_intact();
        sound();
        for (int i = 0; i < nblocks; i++) alloc_free(block[i]);
        sound();
    }
}

static void trim(uint64_t *random)
{
    int nresident, nidle;
    get_and_free_most(random);
    heap_drain(heap_own(), true);
    nidle = count_idle(&nresident);
    require(nidle >= 50 && nresident == nidle, "%zu bytes: of %d pages %d were resident before\n", size, nidle, nresident);
    size_t nbytes = heap_trim(heap_own());
    nidle = count_idle(&nresident);
    require(nresident == 0, "%zu bytes: of %d pages %d are still resident\n", size, nidle, nresident);
    require(nbytes >= (size_t)nidle * PAGE, "%zu bytes: %zu are said to have gone, %d pages have\n", size, nbytes, nidle);
}

static void trim_gives_back_the_pages_of_free_blocks(void) { of_each_size("trim_gives_back_the_pages_of_free_blocks", trim); }

/* Others are freed after the first time; nothing that has gone comes back for it. */
static void trim_again(uint64_t *random)
{
    int nresident, nidle;
    trim(random);
    for (int i = 0; i < nblocks; i++)
        if (is_live[i] && random_below(random, 2)) alloc_free(block[i]), is_live[i] = false;
    count_idle(&nresident);
    size_t nbytes = heap_trim(heap_own()), due = (size_t)nresident * PAGE;
    nidle = count_idle(&nresident);
    require(nresident == 0 && nbytes >= due, "%zu bytes: of %d pages %d are still resident, %zu bytes of %zu went\n", size, nidle,
            nresident, nbytes, due);
}

static void trim_gives_back_more_when_more_is_free(void) { of_each_size("trim_gives_back_more_when_more_is_free", trim_again); }

static void leave_nothing(uint64_t *random)
{
    trim(random);
    for (int i = 0; i < nblocks; i++)
        if (is_live[i]) alloc_free(block[i]), is_live[i] = false;
    heap_drain(heap_own(), true);
    span_for_each (span)
        require(span_state(span) != SPAN_AVAILABLE || span_desc(span)->size != size,
                "%zu bytes: a span stays of which nothing is in use\n", size);
}

static void spans_of_which_pages_have_gone_are_given_back_when_empty(void)
{
    of_each_size("spans_of_which_pages_have_gone_are_given_back_when_empty", leave_nothing);
}

static void rest(uint64_t *random)
{
    int nresident, nidle;
    get_and_free_most(random);
    patrol();
    patrol();
    nidle = count_idle(&nresident);
    require(nidle >= 50 && nresident == nidle, "%zu bytes: %d of %d pages went at once\n", size, nidle - nresident, nidle);
    let_time_pass();
    patrol();
    nidle = count_idle(&nresident);
    require(nresident < nidle / 2, "%zu bytes: of %d pages %d are still resident\n", size, nidle, nresident);
}

static void what_rests_is_given_back(void) { of_each_size("what_rests_is_given_back", rest); }

static void trim_hardened(uint64_t *random)
{
    int nresident, nidle;
    get_and_free_most(random);
    heap_trim(heap_own());
    nidle = count_idle(&nresident);
    require(nresident == nidle, "%zu bytes: of %d pages %d are resident: the pattern of free blocks is lost\n", size, nidle,
            nresident);
}

static void hardened_mode_keeps_what_free_blocks_hold(void)
{
    options.mode = MODE_HARDENED;
    of_each_size("hardened_mode_keeps_what_free_blocks_hold", trim_hardened);
}

/* A span made at the limit may never have all its blocks: those that never were are not free, and on no page that has gone. */
static void trim_at_the_limit(uint64_t *random)
{
    limit_to_more(NBYTES / 2 + random_below(random, SLICE_SIZE));
    memset(is_live, 0, sizeof is_live);
    for (nblocks = 0; nblocks < NBYTES / (int)size && (block[nblocks] = alloc_malloc(size)) != NULL;) nblocks++;
    require(nblocks < NBYTES / (int)size, "there is no limit\n");
    for (int i = 1; i < nblocks; i++) /* one is left of each span */
        if (range_index(block[i]) == range_index(block[i - 1])) alloc_free(block[i - 1]), block[i - 1] = NULL;
    heap_trim(heap_own());
    sound();
    for (int i = 0; i < nblocks; i++) alloc_free(block[i]);
    limit_none();
}

static void trim_is_sound_at_the_limit(void) { of_each_size("trim_is_sound_at_the_limit", trim_at_the_limit); }

UNIT_MAIN(PROMISE(trim_is_sound_at_the_limit),
          PROMISE(trim_gives_back_the_pages_of_free_blocks), PROMISE(trim_gives_back_more_when_more_is_free),
          PROMISE(spans_of_which_pages_have_gone_are_given_back_when_empty), PROMISE(what_rests_is_given_back),
          PROMISE(hardened_mode_keeps_what_free_blocks_hold))
