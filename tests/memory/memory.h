/*
 * memory.h: what the memory tests share: how much a process holds, exactly, and a word that says so.
 *
 * Anonymous comes from smaps_rollup, which counts pages; statm's resident set lags behind by up to 64 pages a thread. The tests'
 * own tables are shared mappings (map_zeroed), which it leaves out.
 */
#ifndef TESTS_MEMORY_MEMORY_H
#define TESTS_MEMORY_MEMORY_H

#include "api.h"
#include "support.h"

/* Reads a file of /proc through `use`, a buffer at a time. */
static inline void memory_read(const char *path, void (*use)(const char *text, size_t n, void *argument), void *argument)
{
    char text[4096];
    ssize_t n;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    require(fd >= 0, "cannot open %s, which this test measures by\n", path);
    while ((n = read(fd, text, sizeof text - 1)) > 0) {
        text[n] = '\0';
        use(text, (size_t)n, argument);
    }
    close(fd);
}

static inline void memory_find_anonymous(const char *text, size_t n, void *found)
{
    (void)n;
    const char *line = strstr(text, "\nAnonymous:");
    if (line != NULL) *(size_t *)found = strtoul(line + sizeof "\nAnonymous:" - 1, NULL, 10) << 10;
}

/* Bytes of anonymous memory that this process holds, its stacks among them. */
static inline size_t anonymous_nbytes(void)
{
    size_t nbytes = 0;
    memory_read("/proc/self/smaps_rollup", memory_find_anonymous, &nbytes);
    require(nbytes != 0, "no Anonymous in /proc/self/smaps_rollup\n");
    return nbytes;
}

static inline void memory_count_lines(const char *text, size_t n, void *count)
{
    for (size_t i = 0; i < n; i++) *(size_t *)count += text[i] == '\n';
}

/* Mappings of this process, of which the system allows vm.max_map_count, as a rule 65530. */
static inline size_t mapping_count(void)
{
    size_t count = 0;
    memory_read("/proc/self/maps", memory_count_lines, &count);
    return count;
}

/* Whether the program runs under libmspace, whose limits these tests hold; under any other allocator they only measure. */
static inline bool is_judged(void) { return getenv("MSPACE_TEST_PRELOADED") != NULL; }

#define require_at_most(limit, value, what)                                                                                      \
    do {                                                                                                                         \
        say("%s: %.3f, allowed %.3f\n", what, (double)(value), (double)(limit));                                                 \
        if (is_judged())                                                                                                         \
            require((double)(value) <= (double)(limit), "%s: %.3f is more than %.3f\n", what, (double)(value), (double)(limit)); \
    } while (0)

#endif
