#include "boot.h"

#include <stdatomic.h>

enum { ARENA = 32 << 10, HEADER = 16 };

static char arena[ARENA] __attribute__((aligned(4096))); /* HEADER would do: CMakeLists.txt, sort-section */
static _Atomic(size_t) used;

void *boot_alloc(size_t size, size_t alignment)
{
    if (size > ARENA || alignment > ARENA) return NULL;
    uintptr_t start = (uintptr_t)arena;
    size_t old = atomic_load_explicit(&used, memory_order_relaxed), from, end;
    do {
        from = round_up(start + old + HEADER, alignment) - start;
        end = from + round_up(max_size(size, 1), HEADER);
        if (end > ARENA) return NULL;
    } while (!atomic_compare_exchange_weak_explicit(&used, &old, end, memory_order_relaxed, memory_order_relaxed));
    *(size_t *)(void *)(arena + from - HEADER) = end - from;
    return arena + from;
}

bool boot_has(const void *p) { return (uintptr_t)p - (uintptr_t)arena < ARENA; }

size_t boot_size(const void *p) { return ((const size_t *)p)[-(HEADER / (int)sizeof(size_t))]; }
