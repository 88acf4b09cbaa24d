/* guard.h - the recursion guard: a call that arrives while the same thread is inside a call-back of ours (dlsym, which
 * allocates) is served from the boot arena, and comes back to nobody.
 *
 * The stores must survive the compiler: libc marks such functions `leaf`, and gcc then removes a plain store before
 * the call, since nothing in this file could read it in between. Hence volatile, and a fence against motion on both sides;
 * a test disassembles every caller and looks for both stores. */
#ifndef MSPACE_GUARD_H
#define MSPACE_GUARD_H

#include "../src/heap/heap.h"

INLINE void guard_enter(void)
{
    volatile uint32_t *guard = &thread.guard;
    *guard = *guard + 1;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

INLINE void guard_leave(void)
{
    volatile uint32_t *guard = &thread.guard;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    *guard = *guard - 1;
}

INLINE bool guard_is_inside(void) { return thread.guard != 0; }

#endif
