/*
 * support.h: what every test program needs and must not get through malloc: output, an end for hangs, a scale, random numbers.
 *
 * A test that reports through stdio calls the allocator it accuses. Everything here works with the heap broken.
 */
#ifndef TESTS_SUPPORT_SUPPORT_H
#define TESTS_SUPPORT_SUPPORT_H

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

/* Write one formatted line (at most 511 bytes) to standard output. No malloc: vsnprintf needs none for integers and short
 * strings. */
__attribute__((format(printf, 1, 2))) static inline void say(const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (n > (int)sizeof line - 1) n = (int)sizeof line - 1;
    if (n > 0 && write(STDOUT_FILENO, line, (size_t)n) < 0) return;
}

/* The promise is broken: say so and end the process at once, running nothing that might allocate. */
#define fail(...) (say("FAILED: " __VA_ARGS__), _exit(1))
#define require(condition, ...) ((condition) ? (void)0 : fail(__VA_ARGS__))

static inline void watchdog_bark(int sig)
{
    static const char text[] = "FAILED: hang: the internal alarm went off\n";
    (void)sig;
    if (write(STDOUT_FILENO, text, sizeof text - 1) < 0) _exit(3);
    _exit(3);
}

/* A hang must fail, not wait: end the process with status 3 after so many seconds. Not inherited by fork; a child sets its
 * own. */
static inline void watchdog(unsigned seconds)
{
    signal(SIGALRM, watchdog_bark);
    alarm(seconds);
}

/* n at full size, times MSPACE_TEST_SCALE (default 0.1), at least 1. */
static inline long scaled(long n)
{
    const char *text = getenv("MSPACE_TEST_SCALE");
    double scale = text != NULL ? strtod(text, NULL) : 0.1;
    long scaled_n = (long)((double)n * scale);
    return scaled_n > 1 ? scaled_n : 1;
}

/* Zeroed memory that the allocator under test knows nothing of; shared with children. */
static inline void *map_zeroed(size_t nbytes)
{
    void *p = mmap(NULL, nbytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    require(p != MAP_FAILED, "cannot map %zu bytes for the test's own tables\n", nbytes);
    return p;
}

/* A sanitizer's shadow is resident too, and grows as it pleases. clang says so by __has_feature, which gcc 12 does not know. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define HAS_SHADOW 1
#elif defined(__has_feature)
#define HAS_SHADOW (__has_feature(thread_sanitizer) || __has_feature(address_sanitizer))
#else
#define HAS_SHADOW 0
#endif

/* Resident bytes of this process, from /proc/self/statm; 0 where that cannot be read or means nothing. */
static inline size_t resident_nbytes(void)
{
    if (HAS_SHADOW) return 0;
    char text[128];
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0) return 0;
    text[n] = '\0';
    const char *second = strchr(text, ' ');
    return second != NULL ? (size_t)strtoul(second, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE) : 0;
}

/* splitmix64 (Steele, Lea, Flood 2014): any seed is a good seed, and the state is one word. */
static inline uint64_t mix64(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}
static inline uint64_t random_next(uint64_t *state) { return mix64(*state += UINT64_C(0x9E3779B97F4A7C15)); }
/* Uniform in [0, n), n < 2^32; the bias is below n/2^32. */
static inline uint32_t random_below(uint64_t *state, uint32_t n) { return (uint32_t)(((random_next(state) >> 32) * n) >> 32); }

/* The seed: the first argument if there is one, else fresh; printed always, so that a failure can be run again. */
static inline uint64_t seed_choose(const char *program, const char *argument)
{
    uint64_t seed;
    if (argument != NULL) {
        seed = strtoull(argument, NULL, 0);
    } else {
        if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed) seed = (uint64_t)getpid();
        seed &= 0xFFFFFFFF; /* short enough to be typed again */
    }
    say("%s: seed %llu\n", program, (unsigned long long)seed);
    return seed;
}

/* n, of which the compiler no longer knows anything: it may not warn about it, fold it or drop what it is used for. */
static inline size_t opaque(size_t n)
{
    __asm__ volatile("" : "+r"(n));
    return n;
}

static inline uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

#endif
