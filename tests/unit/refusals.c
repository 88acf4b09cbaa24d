/* refusals.c: the kernel refuses the k-th call of a kind, up to three in a row or all from then on, under several probes and
 * modes.
 *
 * Whatever is refused, and when: a request that cannot be met is NULL with ENOMEM, realloc that fails leaves its block, every
 * block keeps its contents, calloc reads zero, free keeps errno, nothing is printed, the heap is sound; and when calls work
 * again, so does allocation, as much of it as before. What breaks this is a step that is half done when its second half is
 * refused: slices without their tables, a block charged but not made, pages moved but not noted. Each case is a fresh process. At
 * MSPACE_TEST_SCALE=1 every k up to 200 or to the last call that the probe makes; else some, by the seed.
 *
 *     unit_refusals PROMISE [SEED] */
#include "api/alloc.h"
#include "api/life.h"
#include "fail.h"
#include "os/options.h"
#include "unit.h"
#include "watch/watch.h"

#include <pthread.h>
#include <sys/syscall.h>

static const unsigned long FOR_EVER = (unsigned long)-1;
enum { K_MAX = 200 };

static bool may_refuse; /* calls are refused now */
static _Atomic(int) nrefused;

static void sound(void) { require(watch_verify() == 0, "the heap is broken\n"); }

/* --- blocks: a stamp here and there, so that large ones cost little --- */

static size_t next_place(size_t at) { return at < 60000 ? 2 * at + 4000 : at + 64000; }

struct held {
    unsigned char *block;
    size_t size;
    uint32_t stamp;
};

static void stamp(const struct held *held)
{
    for (size_t at = 0; at + 4 <= held->size; at = next_place(at)) memcpy(held->block + at, &held->stamp, 4);
}

static void check_to(const struct held *held, size_t size)
{
    for (size_t at = 0; at + 4 <= size; at = next_place(at))
        require(memcmp(held->block + at, &held->stamp, 4) == 0, "a block of %zu bytes has changed at %zu\n",
                held->size, at);
}

static void refused(const char *entry, size_t size)
{
    require(errno == ENOMEM, "%s of %zu bytes: NULL with errno %d\n", entry, size, errno);
    require(may_refuse, "%s of %zu bytes is refused though calls work\n", entry, size);
    nrefused++;
}

static bool keep(struct held *held, const char *entry, void *block, size_t size)
{
    static _Atomic(uint32_t) next = 1;
    if (!block) return refused(entry, size), false;
    require((uintptr_t)block % 16 == 0 && alloc_usable_size(block) >= size, "%s of %zu bytes is too small a block\n", entry,
            size);
    *held = (struct held){block, size, next++ * 0x01010107u};
    stamp(held);
    return true;
}

static void let(struct held *held)
{
    if (!held->block) return;
    check_to(held, held->size);
    errno = 12345;
    alloc_free(held->block);
    require(errno == 12345, "free changed errno to %d\n", errno);
    held->block = NULL;
}

static void resize(struct held *held, size_t size)
{
    errno = 0;
    void *block = alloc_realloc(held->block, size);
    if (!block) {
        refused("realloc", size);
        check_to(held, held->size);
        return;
    }
    held->block = block;
    check_to(held, min_size(held->size, size));
    held->size = size;
    stamp(held);
}

static void take(struct held *held, unsigned way, size_t size)
{
    void *block = NULL;
    errno = 0;
    switch (way % 5) {
    case 0: keep(held, "malloc", alloc_malloc(size), size); break;
    case 1:
        block = alloc_calloc(1, size);
        for (size_t at = 0; block && at < size; at += size > MIB ? 4 * PAGE : 500)
            require(((char *)block)[at] == 0, "calloc of %zu bytes is not zero\n", size);
        keep(held, "calloc", block, size);
        break;
    case 2: {
        size_t alignment = (size_t)32 << size % 14;
        block = alloc_memalign(alignment, size);
        require((uintptr_t)block % alignment == 0, "memalign\n");
        keep(held, "memalign", block, size);
        break;
    }
    case 3: keep(held, "memalign", alloc_memalign((size_t)64 << size % 12, size), size); break;
    case 4: keep(held, "realloc", alloc_realloc(NULL, size), size); break;
    }
}

static size_t any_size(uint64_t *random, unsigned most)
{
    return 1 + (random_next(random) & (((size_t)1 << (4 + random_below(random, most - 3))) - 1));
}

/* --- probes; each ends with nothing held --- */

/* All entry points, sizes to 16 MiB. */
static void entries(uint64_t random)
{
    enum { N = 250 };
    static struct held held[N];
    for (unsigned i = 0; i < 3 * N; i++) {
        struct held *one = &held[random_below(&random, N)];
        if (!one->block) take(one, i, any_size(&random, i % 8 ? 16 : 24));
        else if (random_below(&random, 3) == 0) resize(one, any_size(&random, i % 8 ? 17 : 24));
        else let(one);
    }
    for (unsigned i = 0; i < N; i++) let(&held[i]);
}

/* Blocks that grow, alone at the end of the heap and hemmed in; some to 80 MiB, where what cannot be moved is carried over. */
static void growth(uint64_t random)
{
    static struct held a, b, fence;
    size_t most = (size_t)(random_below(&random, 8) ? 20 : 80) << 20;
    take(&a, 0, 1 << 20);
    take(&fence, 0, 100000);
    take(&b, 1, 3 << 20);
    for (size_t size = 2 << 20; size < most; size += size * (1 + random_below(&random, 4)) / 4) {
        if (a.block) resize(&a, size);
        let(&fence);
        take(&fence, 0, 100000);
        if (b.block && size < 20 << 20) resize(&b, size * 3 / 2);
        if (a.block && random_below(&random, 4) == 0) resize(&a, a.size / 3);
    }
    let(&b);
    if (a.block) resize(&a, 3 << 20);
    let(&a);
    let(&fence);
}

/* Free memory goes back to the system in between, and is taken again. */
static void churn(uint64_t random)
{
    enum { N = 24 };
    static struct held held[N];
    for (unsigned i = 0; i < 8 * N; i++) {
        struct held *one = &held[random_below(&random, N)];
        if (one->block) let(one);
        else take(one, i, any_size(&random, i % 2 ? 22 : 18));
        if (one->block && one->size > 1 << 20 && i % 3 == 0) resize(one, one->size * 2);
        if (i % 10 == 9) purge_down_to(random_below(&random, 4) << 20);
    }
    for (unsigned i = 0; i < N; i++) let(&held[i]);
    purge_down_to(0);
}

enum { NTHREADS = 3, NSHARED = 64 };
static _Atomic(struct held *) shared[NSHARED];

/* A block and its description, both from the allocator, handed from thread to thread. */
static void drop(struct held *held)
{
    if (!held) return;
    let(held);
    alloc_free(held);
}

static void *exchange(void *seed)
{
    uint64_t random = *(uint64_t *)seed;
    for (unsigned i = 0; i < 150; i++) {
        struct held *held = alloc_calloc(1, sizeof *held);
        if (held) take(held, i, any_size(&random, i % 16 ? 15 : 21));
        else refused("calloc", sizeof *held);
        drop(atomic_exchange(&shared[random_below(&random, NSHARED)], held));
    }
    return seed;
}

static void threads(uint64_t random)
{
    pthread_t other[NTHREADS];
    uint64_t seeds[NTHREADS];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < NTHREADS; i++) {
            seeds[i] = random_next(&random);
            require(pthread_create(&other[i], NULL, exchange, &seeds[i]) == 0, "no thread\n");
        }
        exchange(&random);
        for (int i = 0; i < NTHREADS; i++) {
            void *result;
            require(pthread_join(other[i], &result) == 0 && result == &seeds[i], "a thread has not come to its end\n");
        }
    }
    for (int i = 0; i < NSHARED; i++) drop(atomic_exchange(&shared[i], NULL));
}

/* Somebody else's pages where the heap wants to grow: its hints are not honoured, and what came instead is to be unmapped. Or
 * what is there already, because that was refused: it is in the way as well. */
static void obstacles(uint64_t random)
{
    char *pages[4];
    life_check();
    for (int i = 0; i < 4; i++) {
        size_t distance = (size_t)(i + 1) * 5 * MIB + random_below(&random, 100) * PAGE;
        pages[i] = mmap((char *)range.base + (range_limit() << SLICE_SHIFT) + distance, PAGE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        require(pages[i] != MAP_FAILED || errno == EEXIST, "no page of somebody else's: errno %d\n", errno);
        if (pages[i] != MAP_FAILED) memset(pages[i], 0x66, PAGE);
    }
    entries(random);
    for (int i = 0; i < 4; i++) {
        if (pages[i] == MAP_FAILED) continue;
        require(is_filled(pages[i], PAGE, 0x66), "a foreign page has changed\n");
        munmap(pages[i], PAGE);
    }
}

static const struct probe {
    const char *name;
    void (*run)(uint64_t random);
} probes[] = {{"entries", entries}, {"growth", growth}, {"churn", churn}, {"threads", threads}, {"obstacles", obstacles}};

/* --- modes --- */

static bool is_tight; /* limit= itself refuses */

static void plain(void) {}
static void hardened(void) { options.mode = MODE_HARDENED; }
static void limited(void) { options.limit = (struct option_limit){(size_t)1 << 30, (size_t)4 << 20}; }
static void tight(void) { options.limit = (struct option_limit){(size_t)24 << 20, (size_t)4 << 20}, is_tight = true; }

static const struct mode_of {
    const char *name;
    void (*set)(void);
} modes[] = {{"plain", plain}, {"hardened", hardened}, {"limit=1G:4M", limited}, {"limit=24M:4M", tight}};

/* --- kinds of refusal --- */

static const struct refusal {
    const char *name;
    long number;
    int error;
    bool is_another_word; /* for what the library treats alike: never every k */
    bool is_constant; /* only from the first call on: a single lost wake-up is nobody's answer */
} refusals[] = {
    {"mmap ENOMEM", SYS_mmap, ENOMEM, false, false},
    {"mmap EPERM", SYS_mmap, EPERM, true, false},
    {"munmap ENOMEM", SYS_munmap, ENOMEM, false, false},
    {"mremap ENOMEM", SYS_mremap, ENOMEM, false, false},
    {"mremap EFAULT", SYS_mremap, EFAULT, true, false},
    {"madvise EINVAL", SYS_madvise, EINVAL, false, false},
    {"madvise EPERM", SYS_madvise, EPERM, true, false},
    {"madvise EAGAIN", SYS_madvise, EAGAIN, true, false},
    {"madvise ENOSYS", SYS_madvise, ENOSYS, true, false},
    {"madvise without effect", SYS_madvise, 0, false, true},
    {"futex ENOSYS", SYS_futex, ENOSYS, false, true},
    {"futex EPERM", SYS_futex, EPERM, false, true},
    {"futex EINTR", SYS_futex, EINTR, false, true},
    {"any ENOMEM", OS_ANY, ENOMEM, false, false},
};

#define LENGTH(array) (sizeof(array) / sizeof *(array))

/* --- one case, in a child --- */

struct plan {
    const struct probe *probe;
    const struct mode_of *mode;
    const struct refusal *refusal;
    unsigned long k, times;
    uint64_t random;
};

static struct shared_by_all {
    unsigned long ncalls;
    long nhit; /* cases in which a call was refused */
    long nrefused;
} *told;

static void run_probe(const struct plan *plan, bool refuses)
{
    may_refuse = refuses || is_tight;
    nrefused = 0;
    plan->probe->run(plan->random);
    require(may_refuse || nrefused == 0, "%d requests are refused, and calls work\n", nrefused);
    sound();
}

/* What a refusal has taken out of use for good would be missing at each turn. Spans of threads that have ended come and go. */
static void does_not_leak(const struct plan *plan)
{
    run_probe(plan, false);
    size_t live = spans.totals.live;
    for (int i = 0; i < 2; i++) run_probe(plan, false);
    require(spans.totals.live <= live + live / 2 + 64, "%zu slices are in use, %zu before, and nothing is held\n",
            spans.totals.live, live);
}

static void in_child(const struct plan *plan)
{
    struct held before[20];
    life_check();
    plan->mode->set();
    bool is_early = plan->random % 2; /* the heap's first steps may be refused, too */
    may_refuse = is_early || is_tight;
    if (is_early) os_fail(plan->refusal->number, plan->k, plan->times, plan->refusal->error);
    for (unsigned i = 0; i < LENGTH(before); i++) before[i].block = NULL, take(&before[i], i, (size_t)100 << i % 13);
    if (!is_early) os_fail(plan->refusal->number, plan->k, plan->times, plan->refusal->error);
    run_probe(plan, true);
    told->ncalls = os_fail(0, 0, 0, 0);
    told->nhit += told->ncalls >= plan->k;
    told->nrefused += nrefused;
    run_probe(plan, false);
    if (plan->k % 4 == 1) does_not_leak(plan);
    for (unsigned i = 0; i < LENGTH(before); i++) let(&before[i]);
    may_refuse = false;
    struct held last = {0};
    take(&last, 0, 4 << 20);
    let(&last);
    sound();
}

/* Returns how many calls of the kind the probe made. */
static unsigned long try_case(const struct plan *plan, int messages)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        watchdog(60);
        dup2(messages, STDERR_FILENO);
        in_child(plan);
        _exit(0);
    }
    require(child > 0 && waitpid(child, &status, 0) == child, "no process: errno %d\n", errno);
    off_t nbytes = lseek(messages, 0, SEEK_END);
    require(status == 0 && nbytes == 0, "%s, %s, %s, k = %lu, %ld times, random %llu: wait status %x, %ld bytes of messages\n",
            plan->probe->name, plan->mode->name, plan->refusal->name, plan->k, (long)plan->times,
            (unsigned long long)plan->random, (unsigned)status, (long)nbytes);
    return told->ncalls;
}

/* At less than full size a third of the combinations, and of each the first call and about two more. */
static bool is_tried(const struct refusal *refusal, uint64_t *random, unsigned long k, unsigned long n)
{
    return k == 1 || (scaled(1000) >= 1000 && !refusal->is_another_word) || random_below(random, (uint32_t)n) < 2;
}
static bool is_skipped(uint64_t *random) { return scaled(1000) < 1000 && random_below(random, 3) != 0; }

static void refuse(size_t which)
{
    uint64_t random = seed_choose("refusals", unit_argument);
    int messages = memfd_create("messages", 0);
    long ncases = 0;
    told = map_zeroed(sizeof *told);
    watchdog(500);
    for (size_t mode = 0; mode < LENGTH(modes); mode++)
        for (const struct refusal *refusal = refusals; refusal < refusals + LENGTH(refusals); refusal++)
            for (int is_final = refusal->is_constant; is_final < 2; is_final++) {
                if (is_skipped(&random) && (mode || refusal != refusals)) continue;
                struct plan plan = {&probes[which], &modes[mode], refusal, 0, FOR_EVER, 0};
                unsigned long n = K_MAX;
                for (unsigned long k = 1; k <= n; k++) {
                    if (!is_tried(refusal, &random, k, n)) continue;
                    plan.k = k;
                    plan.random = random_next(&random);
                    if (!is_final) plan.times = 1 + random_below(&random, 3);
                    n = min_size(n, max_size(try_case(&plan, messages), 1));
                    if (refusal->is_constant) n = 1;
                    ncases++;
                }
            }
    say("%s: %ld cases, calls refused in %ld, requests %ld\n", probes[which].name, ncases, told->nhit, told->nrefused);
    require(told->nhit > ncases / 10, "hardly any call was refused\n");
}

static void entries_go_on_whatever_is_refused(void) { refuse(0); }
static void growing_blocks_survive_whatever_is_refused(void) { refuse(1); }
static void purging_goes_on_whatever_is_refused(void) { refuse(2); }
static void threads_go_on_whatever_is_refused(void) { refuse(3); }
static void obstacles_are_passed_whatever_is_refused(void) { refuse(4); }

UNIT_MAIN(PROMISE(entries_go_on_whatever_is_refused), PROMISE(growing_blocks_survive_whatever_is_refused),
          PROMISE(purging_goes_on_whatever_is_refused), PROMISE(threads_go_on_whatever_is_refused),
          PROMISE(obstacles_are_passed_whatever_is_refused))
