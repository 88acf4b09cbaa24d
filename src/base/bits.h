/* bits.h - single instructions that C cannot name: the only assembly outside src/os/sys.c.
 *
 * Each has its meaning in C beside it, which other processors get. The compiler does not find them by itself: gcc 12 takes
 * three instructions for the subtraction in memory and eight for the bit, on paths that have 31. */
#ifndef MSPACE_BITS_H
#define MSPACE_BITS_H

#include "base.h"

#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)

/* *word -= n; returns whether it underflowed. */
INLINE bool bits_subtract(uint64_t *word, uint64_t n)
{
    bool borrowed;
    __asm__("subq %2, %1" : "=@ccb"(borrowed), "+m"(*word) : "er"(n));
    return borrowed;
}

/* Sets bit k of *bits, k < 64; returns whether it was set. */
INLINE bool bits_test_and_set(uint64_t *bits, uint64_t k)
{
    bool was_set;
    __asm__("btsq %2, %1" : "=@ccc"(was_set), "+r"(*bits) : "r"(k));
    return was_set;
}

/* Has *word be `to` if it is `from`; returns whether it was. Atomic for the thread and its signal handlers alone. */
INLINE bool bits_swap_if(uint32_t *word, uint32_t from, uint32_t to)
{
    bool was;
    __asm__ volatile("cmpxchgl %3, %1" : "=@ccz"(was), "+m"(*word), "+a"(from) : "r"(to) : "memory");
    return was;
}

/* One of them, without a branch: where nobody can foresee which. */
INLINE void *bits_choose(bool is_first, void *first, void *second)
{
    __asm__("testb %1, %1\n\tcmovneq %2, %0" : "+r"(second) : "q"(is_first), "r"(first) : "cc");
    return second;
}

/* Index of the lowest set bit; bits is not 0. As 64 bits: the builtin's int costs an extension. */
INLINE uint64_t bits_lowest(uint64_t bits)
{
    uint64_t k;
    __asm__("rep bsfq %1, %0" : "=r"(k) : "r"(bits) : "cc"); /* tzcnt where there is one, bsf where not: the same here */
    return k;
}

#else

INLINE bool bits_subtract(uint64_t *word, uint64_t n) { return __builtin_sub_overflow(*word, n, word); }

INLINE bool bits_test_and_set(uint64_t *bits, uint64_t k)
{
    uint64_t before = *bits;
    *bits |= (uint64_t)1 << k;
    return before == *bits;
}

INLINE bool bits_swap_if(uint32_t *word, uint32_t from, uint32_t to)
{
    return __atomic_compare_exchange_n(word, &from, to, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

INLINE void *bits_choose(bool is_first, void *first, void *second) { return is_first ? first : second; }

INLINE uint64_t bits_lowest(uint64_t bits) { return (uint64_t)__builtin_ctzl(bits); }

#endif

/* Where the calling thread's control block is; libc puts it at the top of the stack of every thread but the first. */
INLINE uintptr_t bits_thread_pointer(void)
{
    uintptr_t pointer;
#if defined(__x86_64__)
    __asm__("movq %%fs:0, %0" : "=r"(pointer));
#elif defined(__aarch64__)
    __asm__("mrs %0, tpidr_el0" : "=r"(pointer));
#endif
    return pointer;
}

/* One of n, less than 2^32, for each number: those of any few that are evenly apart lie evenly, too (the golden ratio). */
INLINE size_t bits_spread(size_t number, size_t n) { return (uint32_t)number * UINT32_C(2654435769) * (uint64_t)n >> 32; }

/* A clock that costs a few cycles, needs no call and cannot be faked: 2^21 ticks are about a millisecond (0.5 to 1 ms on the
 * processors of today); it may differ between processors, so differences are to be taken with care. */
INLINE uint64_t bits_ticks(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    uint64_t ticks, hertz;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    __asm__("mrs %0, cntfrq_el0" : "=r"(hertz));
    return hertz ? (uint64_t)((unsigned __int128)ticks * 2000000000U / hertz) : ticks;
#endif
}

#endif
