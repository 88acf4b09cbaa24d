/* faults.c: what system calls refuse. For each k the k-th mmap fails, once or from then on, under a probe of all entry points: a
 * request that cannot be met is NULL with ENOMEM, what was there before is intact, the heap is sound, and allocation works again
 * later. */
#include "api/alloc.h"
#include "fail.h"
#include "unit.h"
#include "watch/watch.h"

#include <pthread.h>
#include <sys/syscall.h>

static const unsigned long FOR_EVER = (unsigned long)-1;

static void works(void) { os_fail(SYS_mmap, 0, 0, 0); }
static void sound(void) { require(watch_verify() == 0, "the heap is broken\n"); }

/* --- a probe: blocks of every kind, each filled with a byte of its own --- */

enum {
    N = 500,
    WRITTEN = 5000, /* bytes at the start of each block, so that large ones cost little */
};
static struct held {
    unsigned char *block;
    size_t size;
} held[N];
static int nrefused;

static void check(int i)
{
    if (held[i].block)
        require(is_filled(held[i].block, min_size(held[i].size, WRITTEN), i & 0xff), "block %d, of %zu bytes, has changed\n", i,
                held[i].size);
}

static void keep(int i, void *block, size_t size)
{
    if (!block) {
        require(errno == ENOMEM, "NULL with errno %d\n", errno);
        nrefused++;
        return;
    }
    require((uintptr_t)block % 16 == 0 && alloc_usable_size(block) >= size, "block %d\n", i);
    held[i] = (struct held){block, size};
    memset(block, i & 0xff, min_size(size, WRITTEN));
}

static size_t size_of(int i)
{
    static const size_t sizes[] = {16, 100, 900, 3000, 20000, 60000, 200000, 700000, 3 << 20, 9 << 20};
    return sizes[i % 10] + (size_t)i;
}

static void resize(int i, size_t size)
{
    struct held old = held[i];
    void *block = alloc_realloc(old.block, size);
    if (!block) {
        require(errno == ENOMEM, "realloc: errno %d\n", errno);
        nrefused++;
        check(i);
        return;
    }
    require(is_filled(block, min_size(min_size(old.size, size), WRITTEN), i & 0xff), "realloc from %zu to %zu lost something\n",
            old.size, size);
    keep(i, block, size);
}

static void one(int i)
{
    size_t size = size_of(i);
    void *block = NULL;
    errno = 0;
    switch (i / 10 % 6) {
    case 0: keep(i, alloc_malloc(size), size); break;
    case 1:
        block = alloc_calloc(1, size);
        /* of large ones the first bytes of each slice, where a large one may begin */
        for (size_t at = 0, n = size > MIB ? WRITTEN : SLICE_SIZE; block && at < size; at += SLICE_SIZE)
            require(is_filled((char *)block + at, min_size(n, size - at), 0), "calloc of %zu bytes is not zero\n", size);
        keep(i, block, size);
        break;
    case 2: keep(i, alloc_memalign((size_t)32 << i % 10, size), size); break;
    case 3: keep(i, alloc_memalign((size_t)64 << i % 12, size), size); break;
    case 4: keep(i, alloc_realloc(NULL, size), size); break;
    case 5:
        keep(i, alloc_malloc(size / 3), size / 3);
        if (held[i].block) resize(i, size);
        break;
    }
}

static void probe(void)
{
    for (int i = 0; i < N; i++) {
        one(i);
        if (i % 7 == 3 && held[i / 2].block) {
            check(i / 2);
            errno = 12345;
            alloc_free(held[i / 2].block);
            require(errno == 12345, "free changed errno to %d\n", errno);
            held[i / 2].block = NULL;
        }
        if (i % 11 == 5 && held[i - 3].block) resize(i - 3, held[i - 3].size * (size_t)(1 + i % 4) + 100);
    }
}

static void let_go(void)
{
    for (int i = 0; i < N; i++) {
        check(i);
        alloc_free(held[i].block);
        held[i].block = NULL;
    }
}

/* Nobody looks whether it has failed. */
static void realloc_to_less_needs_no_memory(void)
{
    static const size_t from[] = {3 << 20, 30000, 3000}, to[] = {20000, 5000, 40};
    unsigned char *p[3];
    for (int i = 0; i < 3; i++) p[i] = memset(alloc_malloc(from[i]), i + 1, from[i]);
    os_fail(SYS_mmap, 1, FOR_EVER, ENOMEM);
    for (int i = 0; i < 3; i++)
        while (alloc_malloc(to[i])) continue;
    for (int i = 0; i < 3; i++) {
        p[i] = alloc_realloc(p[i], to[i]);
        require(p[i] && is_filled(p[i], to[i], i + 1), "from %zu to %zu bytes\n", from[i], to[i]);
    }
    works();
    sound();
}

/* --- one failure in a fresh process --- */

/* The argument: "K TIMES"; K mmaps succeed before. */
static void mmap_fails(void)
{
    unsigned long k = strtoul(unit_argument, NULL, 10), times = strchr(unit_argument, '*') ? FOR_EVER : 1;
    os_fail(SYS_mmap, k, times, ENOMEM);
    probe();
    sound();
    require(times == 1 || nrefused > 0, "all is refused from the %lu-th mmap on, and nobody noticed\n", k);
    works();
    nrefused = 0;
    let_go();
    sound();
    probe();
    require(nrefused == 0, "it works again, and %d requests are refused\n", nrefused);
    let_go();
    sound();
}

static void each_k(const char *promise, const char *times)
{
    for (int k = 1; k <= 50; k++) {
        char argument[32];
        snprintf(argument, sizeof argument, "%d%s", k, times);
        require(unit_run(promise, argument) == 0, "k = %s\n", argument);
    }
}

static void kth_mmap_fails_once(void) { unit_argument ? mmap_fails() : each_k("kth_mmap_fails_once", ""); }
static void kth_mmap_and_all_after_it_fail(void) { unit_argument ? mmap_fails() : each_k("kth_mmap_and_all_after_it_fail", "*"); }

static void one_refusal_is_made_good_by_a_smaller_step(void)
{
    os_fail(SYS_mmap, 3, 1, ENOMEM);    /* desc table, records, and the first slices */
    require(alloc_malloc(100) != NULL, "a step of 2 MiB was refused, a smaller one would not be\n");
    sound();
}

static void what_is_free_is_found_before_enomem(void)
{
    enum { NBLOCKS = 4000 };
    static void *blocks[NBLOCKS];
    for (int i = 0; i < NBLOCKS; i++) blocks[i] = alloc_malloc(4000);
    os_fail(SYS_mmap, 1, FOR_EVER, ENOMEM);
    for (int i = 0; i < NBLOCKS; i++) alloc_free(blocks[i]);
    for (int i = 0; i < 3 * NBLOCKS; i++)
        require(alloc_malloc(1000) != NULL, "out of memory after %d of %d blocks, a quarter of what is free\n", i, 3 * NBLOCKS);
    sound();
}

/* --- threads --- */

static void *allocate_in_thread(void *sizes)
{
    void *block[2] = {alloc_malloc(((size_t *)sizes)[0]), NULL};
    if (!block[0]) require(errno == ENOMEM, "errno %d\n", errno);
    block[1] = alloc_malloc(((size_t *)sizes)[1]);
    if (!block[1]) require(errno == ENOMEM, "errno %d\n", errno);
    alloc_free(block[0]);
    alloc_free(block[1]);
    return sizes;
}

static void in_thread(size_t first, size_t second)
{
    pthread_t other;
    void *result = NULL;
    size_t sizes[2] = {first, second};
    require(pthread_create(&other, NULL, allocate_in_thread, sizes) == 0 && pthread_join(other, &result) == 0 && result == sizes,
            "the thread\n");
}

static void thread_born_without_memory_gets_null(void)
{
    void *ours = alloc_malloc(100);
    for (unsigned long k = 1; k <= 3; k++) {
        os_fail(SYS_mmap, k, FOR_EVER, ENOMEM);
        in_thread(100, 5000000);
        in_thread(50000000, 48);
        works();
        in_thread(100, 5000000);
        sound();
    }
    alloc_free(ours);
}

/* --- the others --- */

static void refused_mremap_becomes_a_copy(void)
{
    os_fail(SYS_mremap, 1, FOR_EVER, ENOMEM);
    for (size_t size = 1 << 20; size <= 16 << 20; size *= 2) {
        unsigned char *p = alloc_malloc(size), *fence = alloc_malloc(1 << 20);
        memset(p, 0x5a, size);
        p = alloc_realloc(p, 3 * size);
        require(p && is_filled(p, size, 0x5a) && alloc_usable_size(p) >= 3 * size, "realloc from %zu\n", size);
        p = alloc_realloc(p, size / 5);
        require(p && is_filled(p, size / 5, 0x5a), "realloc to %zu\n", size / 5);
        alloc_free(p);
        alloc_free(fence);
        sound();
    }
}

static void refused_mremap_and_mmap_leave_the_block(void)
{
    size_t size = 4 << 20;
    unsigned char *p = alloc_malloc(size), *fence = alloc_malloc(1 << 20);
    memset(p, 0x5a, size);
    os_fail(SYS_mmap, 1, FOR_EVER, ENOMEM);
    errno = 0;
    require(alloc_realloc(p, (size_t)1 << 30) == NULL && errno == ENOMEM, "1 GiB\n");
    require(alloc_usable_size(p) == size && is_filled(p, size, 0x5a), "the block has changed\n");
    works();
    alloc_free(p);
    alloc_free(fence);
    sound();
}

static pthread_barrier_t is_held, has_forked;

/* Is in the middle of the page level when the other thread forks: the child has the lock, and nobody to drop it. */
static void *hold_the_lock(void *arg)
{
    lock_take(&spans.lock);
    pthread_barrier_wait(&is_held);
    pthread_barrier_wait(&has_forked);
    lock_drop(&spans.lock);
    return arg;
}

/* A kernel without MADV_WIPEONFORK, which says so, or answers yes and does nothing: the handler of fork is then the only
 * trigger. */
static void fork_without_wipe(int error)
{
    pthread_t holder;
    os_fail(SYS_madvise, 1, 1, error);
    void *p = alloc_malloc(100);
    os_fail(SYS_madvise, 0, 0, 0);
    pthread_barrier_init(&is_held, NULL, 2);
    pthread_barrier_init(&has_forked, NULL, 2);
    require(pthread_create(&holder, NULL, hold_the_lock, NULL) == 0, "no second thread\n");
    pthread_barrier_wait(&is_held);
    pid_t child = fork();
    int status;
    if (child == 0) {
        alloc_free(p);
        watchdog(20);
        for (int i = 0; i < 10000; i++) require(alloc_malloc(100) != NULL, "in the child\n");
        sound();
        _exit(0);
    }
    pthread_barrier_wait(&has_forked);
    pthread_join(holder, NULL);
    require(waitpid(child, &status, 0) == child && status == 0, "the child\n");
    alloc_free(p);
    sound();
}

static void refused_wipe_on_fork_is_made_good_by_the_handler(void) { fork_without_wipe(EINVAL); }
static void pretended_wipe_on_fork_is_made_good_by_the_handler(void) { fork_without_wipe(0); }

UNIT_MAIN(PROMISE(kth_mmap_fails_once), PROMISE(realloc_to_less_needs_no_memory), PROMISE(kth_mmap_and_all_after_it_fail),
          PROMISE(one_refusal_is_made_good_by_a_smaller_step), PROMISE(what_is_free_is_found_before_enomem),
          PROMISE(thread_born_without_memory_gets_null), PROMISE(refused_mremap_becomes_a_copy),
          PROMISE(refused_mremap_and_mmap_leave_the_block), PROMISE(refused_wipe_on_fork_is_made_good_by_the_handler),
          PROMISE(pretended_wipe_on_fork_is_made_good_by_the_handler))
