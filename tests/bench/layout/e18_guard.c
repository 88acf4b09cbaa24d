/* e18_guard.c - E18: what does a guard page behind every large block cost?
 *
 * A small heap of large blocks only: one mapping, free runs of 64 KiB slices coalesced both ways, best fit. Behind each block,
 * in the unused tail of its last slice or else in a slice more, lies a page that must fault:
 *
 *      | block, a multiple of 4 KiB              |guard|  tail   |
 *      | slice        | slice        | slice        | slice      |
 *
 * A guard is a mark in the page table, not a mapping: it survives free and MADV_DONTNEED, splits no mapping, and a
 * write over it faults until MADV_GUARD_REMOVE. So it must be gone before its page is inside another block.
 * GUARD 0: none. 1: left where it is at free; removed at the malloc that would cover it (a block of the same size in the same
 * place costs no call). 2: installed at malloc and removed at free. 3: as 2 by mprotect, which splits mappings.
 * Rows: 32 live blocks of 256 KiB to 8 MiB, a random one replaced; `first` touches its first page, `all` every page; same1M is
 * malloc and free of one size. huge- on huge pages; then what is left of those (MiB), and mappings in the process. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"

#ifndef GUARD
#define GUARD 1
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE 103
#endif

enum { SLICE = 65536, PAGE = 4096, NSLICES = 8192, LIVE = 32 };
static char *base;
static int run_at[NSLICES + 1]; /* first and last slice of a run: its length, negative while in use; else 0 */
static char *guard_in[NSLICES]; /* the guard page that lies in this slice, or NULL */
static size_t calls;

static void guard_set(char *page, int on)
{
    int rc = GUARD == 3 ? mprotect(page, PAGE, on ? PROT_NONE : PROT_READ | PROT_WRITE)
                        : madvise(page, PAGE, on ? MADV_GUARD_INSTALL : MADV_GUARD_REMOVE);
    if (rc != 0) perror("guard page (MADV_GUARD_INSTALL needs Linux 6.13)"), exit(1);
    guard_in[(page - base) / SLICE] = on ? page : NULL;
    calls++;
}

static void run_mark(int first, int n, int value) { run_at[first] = run_at[first + n - 1] = value; }

static int slices_of(size_t size) { return (int)((size + (GUARD ? PAGE : 0) + SLICE - 1) / SLICE); }

/* size: a multiple of PAGE. Best fit over all runs, which are few. */
static char *large_malloc(size_t size)
{
    int n = slices_of(size), best = -1;
    for (int i = 0; i < NSLICES; i += abs(run_at[i]))
        if (run_at[i] >= n && (best < 0 || run_at[i] < run_at[best])) best = i;
    if (best < 0) fprintf(stderr, "range is used up\n"), exit(1);
    int rest = run_at[best] - n;
    run_mark(best, n, -n);
    if (rest) run_mark(best + n, rest, rest);
    char *p = base + (size_t)best * SLICE, *guard = p + size;
    if (GUARD == 1)
        for (int i = best; i < best + n; i++)
            if (guard_in[i] && guard_in[i] != guard) guard_set(guard_in[i], 0);
    if (GUARD && guard_in[(guard - base) / SLICE] != guard) guard_set(guard, 1);
    return p;
}

static void large_free(char *p, size_t size)
{
    int first = (int)((p - base) / SLICE), n = slices_of(size);
    if (GUARD > 1) guard_set(p + size, 0);
    run_mark(first, n, 0);
    if (first > 0 && run_at[first - 1] > 0) {
        int left = run_at[first - 1];
        run_mark(first - left, left, 0);
        first -= left, n += left;
    }
    if (run_at[first + n] > 0) {
        int right = run_at[first + n];
        run_mark(first + n, right, 0);
        n += right;
    }
    run_mark(first, n, n);
}

static size_t random_size(void)
{
    uint64_t r = random_next();
    size_t top = (size_t)(512 << 10) << (r >> 60) % 5; /* 256 KiB to 8 MiB, equally many in each doubling */
    return top / 2 + (r >> 8) % (top / 2) / PAGE * PAGE;
}

static void churn(const char *name, size_t rounds, int all)
{
    char *block[LIVE] = {0};
    size_t size[LIVE] = {0};
    double start = 0;
    for (size_t i = 0; i < rounds * 6; i++) {
        if (i == rounds * 5) start = now_ns(), calls = 0; /* warm-up: until every page was touched once */
        size_t k = (random_next() >> 40) % LIVE;
        if (block[k]) large_free(block[k], size[k]);
        block[k] = large_malloc(size[k] = random_size());
        for (size_t at = 0; at < (all ? size[k] : PAGE); at += PAGE) block[k][at] = 1;
    }
    row(name, (now_ns() - start) / 1e3 / (double)rounds);
    if (strcmp(name, "all") == 0) row("calls/op", (double)calls / (double)rounds);
    for (size_t k = 0; k < LIVE; k++)
        if (block[k]) large_free(block[k], size[k]);
}

static void same(size_t rounds)
{
    double start = now_ns();
    for (size_t i = 0; i < rounds; i++) {
        char *p = large_malloc(1 << 20);
        *p = 1;
        large_free(p, 1 << 20);
    }
    row("same1M", (now_ns() - start) / 1e3 / (double)rounds);
}

/* The sum of the lines of a /proc file that begin with prefix: of the number in them, or of the lines when prefix is "". */
static double proc_sum(const char *path, const char *prefix)
{
    char line[512];
    double sum = 0;
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, prefix, strlen(prefix)) == 0) sum += *prefix ? atof(line + strlen(prefix)) : 1;
    if (f) fclose(f);
    return sum;
}

static void range_new(int huge)
{
    char *p = mmap(NULL, (size_t)SLICE * NSLICES + (2 << 20), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);
    base = (char *)(((uintptr_t)p + (2 << 20) - 1) & -(uintptr_t)(2 << 20));
    if (huge) madvise(base, (size_t)SLICE * NSLICES, MADV_HUGEPAGE);
    memset(guard_in, 0, sizeof guard_in);
    run_mark(0, NSLICES, NSLICES);
}

static void on_fault(int sig)
{
    (void)sig;
    _exit(0);
}

int main(int argc, char **argv)
{
    range_new(0);
    if (argc > 1 && strcmp(argv[1], "crime") == 0) { /* exit status 0: the first byte after the block faults */
        char *p = large_malloc(1 << 20);
        signal(SIGSEGV, on_fault);
        ((volatile char *)p)[1 << 20] = 1;
        return 1;
    }
    same(20000);
    churn("first", 4000, 0);
    churn("all", 600, 1);
    range_new(1);
    churn("huge-first", 4000, 0);
    churn("huge-all", 600, 1);
    row("AnonHuge", proc_sum("/proc/self/smaps_rollup", "AnonHugePages:") / 1024);
    row("maps", proc_sum("/proc/self/maps", ""));
    return 0;
}
