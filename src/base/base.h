/* base.h - the dialect of C in which the rest is written.
 *
 * Corruption and bad callers are never asserted but judged (src/guard) and told in one sentence (src/os/report.c). */
#ifndef MSPACE_BASE_H
#define MSPACE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define INLINE static inline __attribute__((always_inline))
#define COLD __attribute__((noinline, cold))
#define SLOW __attribute__((noinline))               /* off the fast paths, but often taken by some programs */
#define HIDDEN __attribute__((visibility("hidden"))) /* on what fast paths name: reached without the GOT */
#define CACHE_LINE 64
#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)

#define container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

/* Keeps the compiler, not the processor, from moving memory accesses across it: enough against what interrupts this thread (a
 * signal) or photographs it (a fork), on x86-64 where stores stay in order; elsewhere a store-store barrier is needed for the
 * photograph. */
#if defined(__x86_64__)
#define STORE_ORDER() __atomic_signal_fence(__ATOMIC_SEQ_CST)
#else
#define STORE_ORDER() __atomic_thread_fence(__ATOMIC_RELEASE)
#endif

/* A relaxed load that the compiler may fold into a compare; it does not fold atomics. Naturally aligned words of at most
 * 8 bytes are read whole on every processor we run on; ThreadSanitizer gets the atomic that it wants. */
#if defined(__SANITIZE_THREAD__)
#define PEEK(object) __atomic_load_n(&(object), __ATOMIC_RELAXED)
#define RANGE_BASE_FORCED ((uintptr_t)256 << 30) /* inside the little that its shadow covers */
#else
#define PEEK(object) (object)
#define RANGE_BASE_FORCED ((uintptr_t)0)
#endif

INLINE size_t round_up(size_t n, size_t power_of_two) { return (n + power_of_two - 1) & ~(power_of_two - 1); }
INLINE bool is_power_of_two(size_t n) { return n != 0 && (n & (n - 1)) == 0; }
INLINE unsigned log2_floor(size_t n) { return 63U - (unsigned)__builtin_clzl(n); }
INLINE size_t min_size(size_t a, size_t b) { return a < b ? a : b; }
INLINE size_t max_size(size_t a, size_t b) { return a > b ? a : b; }

#endif
