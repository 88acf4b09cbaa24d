/*
 * What programs do to the pages of their own blocks, by system calls that malloc does not see.
 *
 *     private_pages write_after_fork|not_inherited|protected|holes
 * write_after_fork: parent and child write to the same blocks, of each size, and each reads its own.
 * not_inherited: every second page of a 1 MiB block is MADV_DONTFORK, as drivers of network cards do; the child frees and
 * allocates blocks around it.
 * protected: a page of a block is PROT_READ, then PROT_NONE, while this and another thread allocate and give back; it is writable
 * again before it is freed.
 * holes: pages of a large block are unmapped and mapped again; then the block grows, is freed and its memory used again, zeroed
 * by calloc.
 */
#include "../../stress/stress.h"

#include <pthread.h>
#include <sys/wait.h>

enum { PAGE = 4096, BIG = 1 << 20, NSIZES = 16, NAROUND = 64, CHILD_SECONDS = 60 };

static const size_t SIZES[NSIZES] = {16,    32,    100,   500,   960,    1000,   4000, 4096,
                                     10000, 32768, 40000, 65536, 131072, 300000, BIG,  8 << 20};

static char *new_filled(size_t size, size_t alignment, int byte)
{
    char *p = alignment > 16 ? api_memalign(alignment, size) : api_malloc(size);
    require(p != NULL, "no %zu bytes\n", size);
    memset(p, byte, size);
    return p;
}

static void require_filled(const char *p, size_t size, int byte, const char *who)
{
    for (size_t i = 0; i < size; i++)
        require(p[i] == (char)byte, "%s: byte %zu of %zu is %#x, not %#x\n", who, i, size, (unsigned char)p[i], byte);
}

static void wait_for(pid_t child)
{
    int status;
    require(child > 0 && waitpid(child, &status, 0) == child, "no child\n");
    require(status == 0, "the child ended with status %#x\n", (unsigned)status);
}

static void churn(uint64_t seed, int n)
{
    void *own[64] = {NULL};
    for (int i = 0; i < n; i++) {
        void **place = &own[random_below(&seed, 64)];
        stamped_free(*place);
        *place = stamped_new(size_random(&seed) * (random_below(&seed, 64) ? 1 : 20));
    }
    for (int i = 0; i < 64; i++) stamped_free(own[i]);
}

/* The two write by turns: each has written before the other reads. */
static void write_after_fork(void)
{
    char *blocks[NSIZES], word = 0;
    int to_child[2], to_parent[2];
    require(pipe(to_child) == 0 && pipe(to_parent) == 0, "pipe\n");
    for (int i = 0; i < NSIZES; i++) blocks[i] = new_filled(SIZES[i], 16, 1);
    pid_t child = fork();
    bool is_child = child == 0;
    int mine = is_child ? 2 : 3, tell = is_child ? to_parent[1] : to_child[1], hear = is_child ? to_child[0] : to_parent[0];
    watchdog(CHILD_SECONDS);
    for (int i = 0; i < NSIZES; i++) {
        require_filled(blocks[i], SIZES[i], 1, "before");
        memset(blocks[i], mine, SIZES[i]);
    }
    require(write(tell, &word, 1) == 1 && read(hear, &word, 1) == 1, "the other is gone\n");
    for (int i = 0; i < NSIZES; i++) require_filled(blocks[i], SIZES[i], mine, is_child ? "child" : "parent");
    for (int i = 0; i < NSIZES; i += 2) api_free(blocks[i]);
    churn((uint64_t)mine, 5000);
    for (int i = 1; i < NSIZES; i += 2) {
        require_filled(blocks[i], SIZES[i], mine, "after others were freed");
        api_free(blocks[i]);
    }
    require_sound("after a fork");
    if (is_child) _exit(0);
    wait_for(child);
}

static void not_inherited(void)
{
    void *around[NAROUND];
    for (int i = 0; i < NAROUND; i += 2) around[i] = stamped_new((size_t)1 << (4 + i % 16));
    char *big = new_filled(BIG, 16, 5), *first = (char *)(((uintptr_t)big + PAGE - 1) & ~(uintptr_t)(PAGE - 1));
    char *one = new_filled(PAGE, PAGE, 6); /* a page among others of its class */
    for (int i = 1; i < NAROUND; i += 2) around[i] = i % 4 == 1 ? stamped_new(PAGE) : stamped_new((size_t)1 << (4 + i % 16));
    for (char *page = first; page + PAGE <= big + BIG; page += 2 * PAGE)
        require(madvise(page, PAGE, MADV_DONTFORK) == 0, "MADV_DONTFORK\n");
    require(madvise(one, PAGE, MADV_DONTFORK) == 0, "MADV_DONTFORK\n");
    pid_t child = fork();
    watchdog(CHILD_SECONDS);
    for (int i = 0; i < NAROUND; i++)
        if (child != 0 || i % 3) stamped_free(around[i]);
    churn(9, 20000);
    require_sound("around pages that may be gone");
    if (child == 0) _exit(0);
    wait_for(child);
    require(madvise(first, (size_t)(big + BIG - first) & ~(size_t)(PAGE - 1), MADV_DOFORK) == 0, "MADV_DOFORK\n");
    require(madvise(one, PAGE, MADV_DOFORK) == 0, "MADV_DOFORK\n");
    require_filled(big, BIG, 5, "the parent's block");
    require_filled(one, PAGE, 6, "the parent's page");
    api_free(big);
    api_free(one);
}

static void *churn_thread(void *arg)
{
    churn((uintptr_t)arg, 20000);
    return NULL;
}

static void protect(char *page, size_t size, int protection)
{
    require(mprotect(page, size, protection) == 0, "mprotect\n");
}

static void protected(void)
{
    pthread_t thread;
    char *big = new_filled(BIG, PAGE, 7), *one = new_filled(PAGE, PAGE, 8), *medium = new_filled(8 * PAGE, PAGE, 9);
    char *const pages[] = {big + 16 * PAGE, one, medium + 2 * PAGE};
    static const int ways[] = {PROT_READ, PROT_NONE};
    for (int way = 0; way < 2; way++) {
        for (int i = 0; i < 3; i++) protect(pages[i], PAGE, ways[way]);
        require(pthread_create(&thread, NULL, churn_thread, (void *)(uintptr_t)(way + 1)) == 0, "pthread_create\n");
        churn(3, 20000);
        pthread_join(thread, NULL);
        api_trim(0);
        require_sound("with pages protected");
        for (int i = 0; i < 3; i++) protect(pages[i], PAGE, PROT_READ | PROT_WRITE);
    }
    require_filled(big, BIG, 7, "the big block");
    require_filled(one, PAGE, 8, "the page");
    require_filled(medium, 8 * PAGE, 9, "the medium block");
    api_free(big);
    api_free(one);
    api_free(medium);
}

static void map_again(char *page, size_t nbytes)
{
    require(munmap(page, nbytes) == 0, "munmap\n");
    churn(4, 500);
    void *p = mmap(page, nbytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    require(p == page, "somebody has taken the program's hole\n"); /* with plain hints nobody does */
    memset(page, 10, nbytes);
}

static void holes(void)
{
    for (size_t size = BIG; size <= (size_t)32 << 20; size *= 8) {
        char *big = new_filled(size, PAGE, 10);
        map_again(big + 8 * PAGE, PAGE);
        map_again(big + 100 * PAGE, 16 * PAGE);
        protect(big + 3 * PAGE, PAGE, PROT_READ); /* one that cannot be merged, for as long as it lasts */
        protect(big + 3 * PAGE, PAGE, PROT_READ | PROT_WRITE);
        require((big = api_realloc(big, 2 * size)) != NULL, "realloc refused\n");
        require_filled(big, size, 10, "after growing");
        memset(big, 11, 2 * size);
        api_free(big);
        big = api_calloc(2, size);
        require_filled(big, 2 * size, 0, "calloc");
        api_free(big);
    }
}

static void run(const char *mode)
{
    switch (mode[0]) {
    case 'w': return write_after_fork();
    case 'n': return not_inherited();
    case 'p': return protected();
    default: return holes();
    }
}

int main(int argc, char **argv)
{
    watchdog(280);
    for (int round = 0; round < 5; round++) run(argc > 1 ? argv[1] : "w");
    churn(1, 20000);
    require_sound("at the end");
    return 0;
}
