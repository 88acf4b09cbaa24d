#include "diagnose.h"
#include "../base/bits.h"
#include "../span/span.h"

#include <link.h>

extern const ElfW(Ehdr) __ehdr_start HIDDEN; /* our own mapping, from the linker */
extern char _end[] HIDDEN;

static struct evidence inside_span(const void *p, const struct span *span)
{
    const struct desc *desc = span_desc(span);
    size_t offset = (uintptr_t)p - (uintptr_t)span_blocks(span), size = PEEK(desc->size);
    if (!size) return (struct evidence){CRIME_UNUSED, p, NULL, 0}; /* another thread is making it */
    const char *block = span_blocks(span) + offset / size * size;
    if (offset / size >= desc->carved) return (struct evidence){CRIME_NEVER, p, p, size};
    if (block != p) return (struct evidence){CRIME_INTERIOR, p, block, size};
    return (struct evidence){CRIME_DOUBLE, p, p, size};
}

struct evidence diagnose_inside(const void *p)
{
    const struct span *span = span_containing(range_index(p));
    switch (span_state(span)) {
    case SPAN_CURRENT:
    case SPAN_AVAILABLE:
    case SPAN_FULL:
    case SPAN_LOST: return inside_span(p, span);
    case SPAN_LARGE: return (struct evidence){CRIME_INTERIOR, p, span_blocks(span), span->nbytes};
    case SPAN_KEPT:
        if (span->nbytes && p == span_blocks(span)) return (struct evidence){CRIME_DOUBLE, p, p, span->nbytes};
        __attribute__((fallthrough));
    default: return (struct evidence){CRIME_UNUSED, p, NULL, 0};
    }
}

/* Whether the calling thread's stack, from here up, contains it; for sure if it is no farther than a stack is deep as a rule, for
 * a coroutine's may be anywhere below the thread's. */
static const size_t STACK_DEPTH = 8 * MIB;
static bool is_on_stack(const struct os_process *process, const void *pointer)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0), p = (uintptr_t)pointer;
    uintptr_t top = bits_thread_pointer(), first = (uintptr_t)process->environment;
    /* The first thread's control block is elsewhere; its stack ends in the environment, and may be of any size. */
    bool is_first = first > here && (top < here || top > first);
    return p >= here && p < (is_first ? first : top) && top != 0;
}

struct evidence diagnose_outside(const struct os_process *process, const void *p, bool *is_certain)
{
    uintptr_t address = (uintptr_t)p;
    bool is_own = address >= (uintptr_t)&__ehdr_start && address < (uintptr_t)_end;
    struct evidence evidence = {CRIME_FOREIGN, p, NULL, 0};
    *is_certain = true;
    if (is_on_stack(process, p))
        evidence.crime = CRIME_STACK, *is_certain = address - (uintptr_t)__builtin_frame_address(0) <= STACK_DEPTH;
    else if (address % GRANULE) evidence.crime = CRIME_MISALIGNED;
    else *is_certain = is_own || address < 64 * KIB || address >> 47 != 0;
    return evidence;
}
