/* semantics.c: what malloc(3) and its kin do at the edges, clause by clause, as glibc 2.36 does it. Passes under plain glibc 2.36
 * too, which is how it is known to say the truth; --glibc skips (77) where libc is another. */
#include "api.h"
#include "support.h"

#include <gnu/libc-version.h>

static const size_t TOO_MUCH = (size_t)PTRDIFF_MAX + 1;

static int nbroken, nclauses;

static void clause(const char *text, bool holds)
{
    nclauses++;
    if (holds) return;
    nbroken++;
    say("BROKEN: %s\n", text);
}

/* NULL, and errno as wanted; errno is set to 0 for the next. */
static bool refuses(const void *p, int error)
{
    bool is_right = p == NULL && errno == error;
    errno = 0;
    return is_right;
}

static bool is_aligned(const void *p, size_t alignment) { return p != NULL && (uintptr_t)p % alignment == 0; }

static bool is_zero(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i]) return false;
    return true;
}

static bool is_filled(const char *p, size_t n, char with)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != with) return false;
    return true;
}

static void zero_sizes(void)
{
    void *a = malloc(opaque(0)), *b = malloc(opaque(0));
    clause("malloc(0) is not NULL", a && b);
    clause("malloc(0) is a unique pointer", a != b);
    void *c = calloc(opaque(0), 100), *d = calloc(100, opaque(0));
    clause("calloc of nothing is a unique pointer", c && d && c != d && c != a);
    void *e = memalign(64, opaque(0)), *f = realloc(NULL, opaque(0));
    clause("memalign and realloc(NULL, 0) too", is_aligned(e, 64) && f && e != f);
    errno = 0;
    clause("realloc(p, 0) frees and returns NULL", realloc(malloc(100), opaque(0)) == NULL);
    clause("and is no error", errno == 0);
    void *all[] = {a, b, c, d, e, f};
    for (int i = 0; i < 6; i++) free(all[i]);
    free(NULL);
}

static void too_much(void)
{
    char *p = malloc(100);
    void *result = p, *volatile same = p;  /* the compiler believes that reallocarray frees p even when it refuses */
    memset(p, 7, 100);
    errno = 0;
    clause("malloc(PTRDIFF_MAX + 1) is ENOMEM", refuses(malloc(opaque(TOO_MUCH)), ENOMEM));
    clause("malloc(SIZE_MAX) is ENOMEM", refuses(malloc(opaque(SIZE_MAX)), ENOMEM));
    clause("calloc(1, PTRDIFF_MAX + 1) is ENOMEM", refuses(calloc(1, opaque(TOO_MUCH)), ENOMEM));
    clause("calloc whose product overflows is ENOMEM", refuses(calloc(opaque(SIZE_MAX / 4 + 2), 4), ENOMEM));
    clause("calloc whose product wraps to little is ENOMEM",
           refuses(calloc(opaque((size_t)1 << 32), opaque((size_t)1 << 32)), ENOMEM));
    clause("realloc(p, PTRDIFF_MAX + 1) is ENOMEM", refuses(realloc(p, opaque(TOO_MUCH)), ENOMEM));
    clause("realloc(p, SIZE_MAX) is ENOMEM", refuses(realloc(p, opaque(SIZE_MAX)), ENOMEM));
    clause("realloc(NULL, PTRDIFF_MAX + 1) is ENOMEM", refuses(realloc(NULL, opaque(TOO_MUCH)), ENOMEM));
    clause("reallocarray whose product overflows is ENOMEM", refuses(reallocarray(same, opaque(SIZE_MAX / 2), 4), ENOMEM));
    clause("and p is what it was", is_filled(p, 100, 7));
    clause("memalign(64, PTRDIFF_MAX + 1) is ENOMEM", refuses(memalign(64, opaque(TOO_MUCH)), ENOMEM));
    clause("memalign(8, PTRDIFF_MAX + 1) is ENOMEM", refuses(memalign(8, opaque(TOO_MUCH)), ENOMEM));
    clause("memalign(64, PTRDIFF_MAX) is ENOMEM", refuses(memalign(64, opaque(TOO_MUCH - 1)), ENOMEM));
    clause("aligned_alloc(64, SIZE_MAX) is ENOMEM", refuses(aligned_alloc(64, opaque(SIZE_MAX)), ENOMEM));
    clause("valloc(PTRDIFF_MAX + 1) is ENOMEM", refuses(valloc(opaque(TOO_MUCH)), ENOMEM));
    clause("pvalloc(PTRDIFF_MAX + 1) is ENOMEM", refuses(pvalloc(opaque(TOO_MUCH)), ENOMEM));
    clause("pvalloc(-1) is ENOMEM", refuses(pvalloc(opaque(SIZE_MAX)), ENOMEM));
    clause("posix_memalign of too much returns ENOMEM", posix_memalign(&result, 64, opaque(TOO_MUCH)) == ENOMEM);
    clause("and leaves its result alone", result == p);
    free(p);
}

static void alignments(void)
{
    static const size_t bad[] = {0, 1, 2, 3, 4, 12, 24, 100};
    char mark;
    void *result = &mark;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        clause("posix_memalign returns EINVAL for what is no power of two times sizeof(void *)",
               posix_memalign(&result, bad[i], 100) == EINVAL);
    clause("and leaves its result alone", result == &mark);
    errno = 0;
    clause("posix_memalign does not set errno", posix_memalign(&result, 3, 100) == EINVAL && errno == 0);
    for (size_t alignment = 8; alignment <= (size_t)4 << 20; alignment *= 2)
        for (size_t size = 1; size < 3000000; size = size * 5 + 3) {
            void *a = NULL, *b = memalign(alignment, size), *c = aligned_alloc(alignment, size);
            clause("posix_memalign aligns", posix_memalign(&a, alignment, size) == 0 && is_aligned(a, alignment));
            clause("memalign aligns", is_aligned(b, alignment));
            clause("aligned_alloc takes a size that is no multiple, and aligns", is_aligned(c, alignment));
            memset(a, 1, size), memset(b, 1, size), memset(c, 1, size);
            free(a), free(b), free(c);
        }
    for (size_t odd = 17; odd < 5000; odd = odd * 3 / 2) {
        size_t power = 16;
        while (power < odd) power *= 2;
        void *p = memalign(odd, 100);
        clause("memalign rounds an alignment up to a power of two", is_aligned(p, power));
        free(p);
    }
    void *p = memalign(opaque(24), 100), *q = memalign(opaque(0), 100);
    clause("memalign(24, 100) is aligned to 32", is_aligned(p, 32));
    clause("memalign(0, 100) is a block", is_aligned(q, 16));
    free(p), free(q);
    errno = 0;
    clause("memalign over SIZE_MAX / 2 + 1 is EINVAL", refuses(memalign(opaque(SIZE_MAX / 2 + 2), 100), EINVAL));
    clause("memalign(SIZE_MAX, 1) is EINVAL", refuses(memalign(opaque(SIZE_MAX), 1), EINVAL));
    clause("aligned_alloc(SIZE_MAX, 1) is EINVAL", refuses(aligned_alloc(opaque(SIZE_MAX), 1), EINVAL));
    clause("memalign(SIZE_MAX / 2 + 1, 1) is ENOMEM", refuses(memalign(opaque(SIZE_MAX / 2 + 1), 1), ENOMEM));
    p = valloc(100), q = pvalloc(opaque(1));
    clause("valloc gives a page's alignment", is_aligned(p, 4096));
    clause("pvalloc gives whole pages", is_aligned(q, 4096) && malloc_usable_size(q) >= 4096);
    free(p), free(q);
    q = pvalloc(opaque(0));
    clause("pvalloc(0) is a block", is_aligned(q, 4096));
    free(q);
}

static void sizes(void)
{
    clause("malloc_usable_size(NULL) is 0", malloc_usable_size(NULL) == 0);
    for (size_t size = 1; size < 3000000; size += size / 7 + 1) {
        char *p = malloc(size);
        size_t usable = malloc_usable_size(p);
        clause("malloc aligns to 16", is_aligned(p, 16));
        clause("the usable size is at least what was asked for", usable >= size);
        memset(p, 0x5a, usable);
        clause("the usable size is stable", malloc_usable_size(p) == usable);
        clause("all of it is writable", is_filled(p, usable, 0x5a));
        free(p);
    }
}

static void resizing(void)
{
    char *p = NULL;
    size_t size = 1;
    for (; size < 20000000; size = size * 3 / 2 + 1) {
        p = realloc(p, size);
        clause("realloc keeps the contents as it grows", is_filled(p, size * 2 / 3 / 2, 0x33));
        memset(p, 0x33, size);
    }
    for (size = size / 2; size > 1; size = size * 2 / 3) {
        p = realloc(p, size);
        clause("realloc keeps the contents as it shrinks", is_filled(p, size, 0x33) && malloc_usable_size(p) >= size);
    }
    free(p);
}

/* What was dirty is zero again: every size up to 600,000 in growing steps, and all that is small. */
static void zeroed(void)
{
    for (size_t size = 1; size <= 600000; size += size < 2000 ? 7 : size / 9) {
        char *dirty[4];
        for (int i = 0; i < 4; i++) {
            dirty[i] = malloc(size);
            memset(dirty[i], 0xff, malloc_usable_size(dirty[i]));
        }
        for (int i = 0; i < 4; i++) free(dirty[i]);
        for (int i = 0; i < 4; i++) {
            dirty[i] = calloc(1, size);
            clause("calloc reads zero, whatever was there before", is_zero(dirty[i], size));
            memset(dirty[i], 0xff, size);
        }
        for (int i = 0; i < 4; i++) free(dirty[i]);
    }
}

static void errno_is_kept(void)
{
    for (size_t size = 1; size < 100000000; size *= 10) {
        void *p = malloc(size);
        errno = 12345;
        free(p);
        clause("free keeps errno", errno == 12345);
    }
    errno = 12345;
    free(malloc(10));
    clause("success does not touch errno", errno == 12345);
    malloc_trim(0);
}

static void the_rest(void)
{
    clause("mallopt returns 1", mallopt(M_MMAP_THRESHOLD, 1 << 20) == 1 && mallopt(M_ARENA_MAX, 1) == 1);
    struct mallinfo2 before = mallinfo2();
    void *p = malloc(50 << 20);
    struct mallinfo2 after = mallinfo2();
    clause("mallinfo2 sees 50 MB", after.uordblks + after.hblkhd >= before.uordblks + before.hblkhd + (50 << 20));
    free(p);
    clause("malloc_info with options returns EINVAL, whatever its manual says", malloc_info(1, stderr) == EINVAL);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--glibc") == 0 && strcmp(gnu_get_libc_version(), "2.36") != 0) {
        say("glibc %s, not 2.36: skipped\n", gnu_get_libc_version());
        return 77;
    }
    watchdog(300);
    zero_sizes();
    too_much();
    alignments();
    sizes();
    resizing();
    zeroed();
    errno_is_kept();
    the_rest();
    clause("mspace_verify finds nothing", api_verify() == 0);
    say("%d clauses checked, %d broken\n", nclauses, nbroken);
    return nbroken != 0;
}
