/* bench.h - what the programs of this folder share: a clock, a cheap generator, and one output line per row.
 *
 * The clock is the thread's own processor time, system time included: on a shared machine it leaves out what other programs
 * take. A row is printed as `name value`; run.sh collects the rows of many runs into medians. */
#ifndef LAYOUT_BENCH_H
#define LAYOUT_BENCH_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

static inline double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static uint64_t random_state = 88172645463325252u;

static inline uint64_t random_next(void) /* xorshift64 */
{
    uint64_t x = random_state;
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    return random_state = x;
}

static inline void shuffle(void **v, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        size_t k = random_next() % i;
        void *t = v[i - 1];
        v[i - 1] = v[k], v[k] = t;
    }
}

static inline void row(const char *name, double value) { printf("%s %.2f\n", name, value); }

#endif
