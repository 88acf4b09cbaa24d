/* direct.c: compiled with the core into the libraries that the tests are linked with. */
#include "direct.h"
#include "api/alloc.h"
#include "api/life.h"
#include "heap/large.h"

void *alloc_calloc(size_t count, size_t size)
{
    size_t bytes;
    return UNLIKELY(__builtin_mul_overflow(count, size, &bytes)) ? alloc_refuse() : alloc_zeroed(bytes);
}

void *alloc_realloc(void *p, size_t size)
{
    if (!p) return alloc_malloc(size);
    if (!range_has(p)) {
        alloc_report_foreign("realloc()", p);
        return alloc_refuse();
    }
    if (size) return alloc_resize("realloc()", p, size);
    alloc_free(p);
    return NULL;
}

size_t alloc_usable_size(const void *p) { return alloc_size_of(p); }

int alloc_trim(size_t pad)
{
    life_check();
    size_t inside = heap_trim(heap_own());
    large_give_all_kept();
    return purge_down_to(pad) + inside != 0;
}
