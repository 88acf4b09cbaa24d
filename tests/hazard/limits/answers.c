/* answers.c: what every entry point answers to 25,000 combinations of arguments, a line each, in words that any right malloc says
 * alike.
 *
 * Run without and with the library (same_answers.sh), the lines must be the same: programs rely on what glibc does, not on what a
 * manual allows. An answer is NULL or "block", errno if it was touched, then whatever the interface promises and is not so:
 * alignment, usable size, zeroes, kept contents. Sizes between 64 MiB and 128 TiB are left out, which depend on the machine. */
#include "api.h"
#include "support.h"

/* glibc has had no header for it since 2.26; a program linked before then has this reference. */
#if defined(__x86_64__)
void old_cfree(void *p);
__asm__(".symver old_cfree, cfree@GLIBC_2.2.5");
#else
static void old_cfree(void *p) { free(p); }
#endif

enum { UNTOUCHED = 12345, LOOKED_AT = 5000 };

static const size_t MAX = PTRDIFF_MAX;

static const size_t sizes[] = {
    0, 1, 7, 8, 9, 15, 16, 17, 23, 24, 25, 31, 32, 33, 48, 63, 64, 65, 100, 127, 128, 129, 255, 256, 257, 480, 511, 512, 513,
    960, 961, 1000, 1023, 1024, 1025, 1032, 1033, 2048, 2049, 4064, 4080, 4095, 4096, 4097, 8191, 8192, 8193, 16384, 20000,
    32767, 32768, 32769, 65535, 65536, 65537, 100000, 131071, 131072, 131073, 135168, 262144, 1000000, 1048575, 1048576,
    1048577, 2097152, 4194305, 33554432, 33554433, 67108864, (size_t)1 << 47, (size_t)1 << 48, (size_t)1 << 62, MAX / 2, MAX -
    70000, MAX - 65536, MAX - 8192, MAX - 4097, MAX - 4096, MAX - 4095, MAX - 64, MAX - 32, MAX - 17, MAX - 16, MAX - 15, MAX -
    8, MAX - 1, MAX, MAX + 1, MAX + 2, MAX + 16, MAX + 4096, SIZE_MAX - 70000, SIZE_MAX - 8192, SIZE_MAX - 4097, SIZE_MAX -
    4096, SIZE_MAX - 4095, SIZE_MAX - 64, SIZE_MAX - 32, SIZE_MAX - 31, SIZE_MAX - 17, SIZE_MAX - 16, SIZE_MAX - 15, SIZE_MAX -
    8, SIZE_MAX - 7, SIZE_MAX - 1, SIZE_MAX,
};
static const size_t alignments[] = {
    0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 24, 31, 32, 33, 48, 63, 64, 65, 96, 128, 100, 256, 512, 1000, 1024, 2048, 3000,
    4095, 4096, 4097, 8192, 65536, 100000, 1 << 17, 1 << 20, (1 << 20) + 1, 1 << 21, 1 << 24, 1 << 26, (size_t)1 << 47,
    (size_t)1 << 62, MAX, MAX + 1, MAX + 2, SIZE_MAX - 1, SIZE_MAX,
};
static const size_t counts[] = {
    0, 1, 2, 3, 7, 16, 100, 1000, 65536, (size_t)1 << 32, MAX / 2, MAX / 2 + 1, MAX, MAX + 1, SIZE_MAX / 2, SIZE_MAX / 3,
    SIZE_MAX / 16, SIZE_MAX / 16 + 1, SIZE_MAX - 1, SIZE_MAX
};

#define LENGTH(array) (sizeof(array) / sizeof *(array))
#define EACH(i, array) (size_t i = 0; i < LENGTH(array); i++)

static size_t looked_at(size_t size) { return size < LOOKED_AT ? size : LOOKED_AT; }

static bool is_all(const char *p, size_t size, char byte)
{
    size_t n = looked_at(size);
    for (size_t i = 0; i < n; i++)
        if (p[i] != byte || p[size - 1 - i] != byte) return false;
    return true;
}

static void fill(char *p, size_t size, char byte)
{
    memset(p, byte, looked_at(size));
    memset(p + size - looked_at(size), byte, looked_at(size));
}

/* What memalign aligns to: the next power of two. */
static size_t promised(size_t alignment)
{
    size_t power = 16;
    while (power < alignment && power <= SIZE_MAX / 2) power *= 2;
    return power;
}

/* " block" with what is wrong about it, or " NULL"; then errno, if it was touched. */
static const char *answer(void *p, int error, size_t size, size_t alignment, bool is_zero)
{
    static char text[160];
    int n = snprintf(text, sizeof text, "%s", p ? "block" : "NULL");
    if (p && (uintptr_t)p % alignment) n += snprintf(text + n, sizeof text - (size_t)n, ", not aligned to %zu", alignment);
    if (p && malloc_usable_size(p) < size) n += snprintf(text + n, sizeof text - (size_t)n, ", too small");
    if (p && is_zero && !is_all(p, size, 0)) n += snprintf(text + n, sizeof text - (size_t)n, ", not zero");
    if (error != UNTOUCHED)
        snprintf(text + n, sizeof text - (size_t)n, ", errno %s", strerrorname_np(error) ? strerrorname_np(error) : "?");
    return text;
}

/* Leaves dirt where the next block of that size is likely to be, and the block freed with errno looked at. */
static void let(void *p, size_t size)
{
    if (p) fill(p, size, 0x77);
    errno = UNTOUCHED;
    free(p);
    if (errno != UNTOUCHED) say("free of %zu bytes sets errno to %d\n", size, errno);
}

#define TRY(p, expression) (errno = UNTOUCHED, (p) = (expression), error = errno)

static void plain(void)
{
    void *p;
    int error;
    for EACH (i, sizes) {
        size_t size = opaque(sizes[i]);
        for (int again = 0; again < 2; again++) {
            TRY(p, malloc(size));
            say("malloc(%zu): %s\n", size, answer(p, error, size, 16, false));
            let(p, size);
            TRY(p, calloc(1, size));
            say("calloc(1, %zu): %s\n", size, answer(p, error, size, 16, true));
            let(p, size);
        }
        TRY(p, realloc(NULL, size));
        say("realloc(NULL, %zu): %s\n", size, answer(p, error, size, 16, false));
        let(p, size);
        TRY(p, valloc(size));
        say("valloc(%zu): %s\n", size, answer(p, error, size, 4096, false));
        let(p, size);
        TRY(p, pvalloc(size));
        say("pvalloc(%zu): %s\n", size, answer(p, error, p ? (size + 4095) & ~(size_t)4095 : 0, 4096, false));
        let(p, p ? (size + 4095) & ~(size_t)4095 : 0);
    }
}

static void products(void)
{
    void *p;
    int error;
    for EACH (i, counts)
        for EACH (j, counts) {
            size_t n = opaque(counts[i]), size = opaque(counts[j]), nbytes;
            bool fits = !__builtin_mul_overflow(n, size, &nbytes);
            if (fits && nbytes > (size_t)64 << 20 && nbytes < (size_t)1 << 47) continue;
            TRY(p, calloc(n, size));
            say("calloc(%zu, %zu): %s\n", n, size, answer(p, error, nbytes, 16, true));
            let(p, nbytes);
            TRY(p, reallocarray(NULL, n, size));
            say("reallocarray(NULL, %zu, %zu): %s\n", n, size, answer(p, error, nbytes, 16, false));
            let(p, nbytes);
            char *old = malloc(100), *volatile same = old;
            fill(old, 100, 0x3c);
            TRY(p, reallocarray(same, n, size));
            say("reallocarray(p, %zu, %zu): %s\n", n, size, answer(p, error, nbytes, 16, false));
            if (p && !is_all(p, nbytes < 100 ? nbytes : 100, 0x3c)) say("  its contents are lost\n");
            if (!p && fits && nbytes == 0) continue; /* freed */
            if (!p && !is_all(old, 100, 0x3c)) say("  the old block has changed\n");
            free(p ? p : old);
        }
}

static void aligned(void)
{
    void *p, *const mark = &p;
    int error, result;
    for EACH (i, alignments)
        for EACH (j, sizes) {
            size_t alignment = opaque(alignments[i]), size = opaque(sizes[j]);
            TRY(p, memalign(alignment, size));
            say("memalign(%zu, %zu): %s\n", alignment, size, answer(p, error, size, promised(alignment), false));
            let(p, size);
            TRY(p, aligned_alloc(alignment, size));
            say("aligned_alloc(%zu, %zu): %s\n", alignment, size, answer(p, error, size, promised(alignment), false));
            let(p, size);
            p = mark;
            TRY(result, posix_memalign(&p, alignment, size));
            say("posix_memalign(%zu, %zu): %d, %s\n", alignment, size, result,
                p == mark ? "result untouched" : answer(p, error, size, alignment, false));
            if (p != mark) let(p, size);
        }
}

static void resizing(void)
{
    void *p, *old;
    int error;
    for EACH (i, sizes)
        for EACH (j, sizes) {
            size_t before = opaque(sizes[i]), size = opaque(sizes[j]);
            if (before > (size_t)64 << 20) break;
            if ((i + j) % 3 && before > 200000 && size > 200000 && size <= (size_t)64 << 20) continue;
            old = (i + j) % 4 ? malloc(before) : memalign((size_t)64 << j % 9, before);
            void *volatile same = old;
            fill(old, before, 0x5b);
            TRY(p, realloc(same, size));
            say("realloc(%zu bytes, %zu): %s\n", before, size, answer(p, error, size, 16, false));
            size_t kept = looked_at(before < size ? before : size);
            if (p && size && !is_all(p, kept, 0x5b)) say("  its contents are lost\n");
            if (p && size >= before && !is_all(p, before, 0x5b)) say("  the end of its contents is lost\n");
            if (!p && size && !is_all(old, before, 0x5b)) say("  the old block has changed\n");
            if (!p && size && malloc_usable_size(old) < before) say("  the old block has shrunk\n");
            if (p) let(p, size);
            else if (size) let(old, before);
        }
}

static void sized_again(void)
{
    for EACH (i, sizes) {
        size_t size = sizes[i];
        if (size > (size_t)64 << 20) break;
        char *p = malloc(size), *q;
        size_t usable = malloc_usable_size(p);
        fill(p, usable, 0x21);
        bool is_stable = malloc_usable_size(p) == usable && is_all(p, usable, 0x21);
        void *volatile same = p;
        q = realloc(same, usable);
        say("usable size of %zu: %s, realloc to it keeps %s\n", size, is_stable ? "stable" : "not stable",
            is_all(q, usable, 0x21) ? "all" : "not all");
        let(q, usable);
    }
}

static void strings(void)
{
    char *p;
    int error;
    for EACH (i, sizes) {
        size_t size = sizes[i];
        if (size > 5000000) break;
        char *text = malloc(size + 1);
        memset(text, 'x', size);
        text[size] = 0;
        TRY(p, strdup(text));
        say("strdup of %zu: %s, %s\n", size, answer(p, error, size + 1, 16, false),
            strcmp(p, text) ? "another string" : "the same");
        let(p, size + 1);
        TRY(p, strndup(text, size / 2));
        say("strndup of %zu: %s, length %zu\n", size, answer(p, error, size / 2 + 1, 16, false), strlen(p));
        let(p, size / 2 + 1);
        int n = asprintf(&p, "%s%zu", text, size);
        say("asprintf of %zu: %d\n", size, n);
        free(p);
        free(text);
    }
    p = getcwd(NULL, 0);
    say("getcwd: %s\n", p ? "block" : "NULL");
    free(p);
    p = realpath("/", NULL);
    say("realpath: %s\n", p);
    free(p);
    FILE *stream = open_memstream(&p, &(size_t){0});
    for (int i = 0; i < 3000; i++) fprintf(stream, "%d,", i);
    fclose(stream);
    say("open_memstream: %zu\n", strlen(p));
    free(p);
}

static void the_rest(void)
{
    errno = UNTOUCHED;
    old_cfree(NULL), old_cfree(malloc(100)), old_cfree(malloc(1000000));
    say("cfree: errno %s\n", errno == UNTOUCHED ? "untouched" : "set");
    static const int parameters[] = {M_MXFAST,       M_TRIM_THRESHOLD, M_TOP_PAD,    M_MMAP_THRESHOLD, M_MMAP_MAX,
                                     M_CHECK_ACTION, M_PERTURB,        M_ARENA_TEST, M_ARENA_MAX,      99};
    for EACH (i, parameters) say("mallopt(%d, 64): %d\n", parameters[i], mallopt(parameters[i], 64));
    errno = UNTOUCHED;
    free(NULL);
    say("free(NULL): errno %s\n", errno == UNTOUCHED ? "untouched" : "set");
    say("malloc_usable_size(NULL): %zu\n", malloc_usable_size(NULL));
    say("realloc(NULL, 0): %s\n", realloc(NULL, opaque(0)) ? "block" : "NULL");
    int trimmed = malloc_trim(0);
    say("malloc_trim: %s\n", trimmed == 0 || trimmed == 1 ? "0 or 1" : "neither 0 nor 1");
    say("malloc_info(1): %d\n", malloc_info(1, stdout));
    struct mallinfo2 info = mallinfo2();
    say("mallinfo2: %s\n", info.uordblks + info.hblkhd > 0 ? "something is in use" : "nothing is in use");
}

int main(void)
{
    watchdog(200);
    plain();
    products();
    aligned();
    resizing();
    sized_again();
    strings();
    the_rest();
    return api_verify() != 0;
}
