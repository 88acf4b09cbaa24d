// Replacements of single operators, chosen by macro. A pair that takes and releases has headed blocks, which nobody else can
// release; one operator alone must go on with malloc's blocks, and counts its calls.
#include "cxx.h"

extern "C" {
extern long replaced_ncalls, replaced_nlive;
__attribute__((visibility("default"))) long replaced_ncalls, replaced_nlive;
}

static headed_heap heap __attribute__((unused));

#define COUNTED(statement)                                                                                                       \
    do {                                                                                                                         \
        replaced_ncalls++;                                                                                                       \
        statement;                                                                                                               \
        replaced_nlive = heap.ntaken - heap.nreleased;                                                                           \
    } while (0)

__attribute__((unused)) static void *take(std::size_t size, std::size_t alignment = 16)
{
    void *p;
    COUNTED(p = heap.take(size, alignment));
    if (!p) throw std::bad_alloc();
    return p;
}
__attribute__((unused)) static void *counted_malloc(std::size_t size)
{
    void *p;
    COUNTED(p = malloc(size));
    return p;
}

#ifdef NEW_AND_DELETE
void *operator new(std::size_t size) { return take(size); }
void operator delete(void *p) noexcept { COUNTED(heap.release(p)); }
#endif
#ifdef NEW_AND_DELETE_ARRAY
void *operator new[](std::size_t size) { return take(size); }
void operator delete[](void *p) noexcept { COUNTED(heap.release(p)); }
#endif
#ifdef ALIGNED
void *operator new(std::size_t size, std::align_val_t alignment) { return take(size, static_cast<std::size_t>(alignment)); }
void operator delete(void *p, std::align_val_t) noexcept { COUNTED(heap.release(p)); }
#endif
#ifdef ONLY_NEW
void *operator new(std::size_t size) { return counted_malloc(size); }
#endif
#ifdef ONLY_NEW_ARRAY
void *operator new[](std::size_t size) { return counted_malloc(size); }
#endif
#ifdef ONLY_NOTHROW
void *operator new(std::size_t size, const std::nothrow_t &) noexcept { return counted_malloc(size); }
#endif
#ifdef ONLY_DELETE
void operator delete(void *p) noexcept { COUNTED(free(p)); }
#endif
#ifdef ONLY_SIZED
void operator delete(void *p, std::size_t) noexcept { COUNTED(operator delete(p)); }
#endif
#ifdef ONLY_DELETE_ARRAY_NOTHROW
void operator delete[](void *p, const std::nothrow_t &) noexcept { COUNTED(operator delete[](p)); }
#endif
