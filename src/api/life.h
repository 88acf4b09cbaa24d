/* life.h - start-up, and what a fork makes necessary.
 *
 * One word, `life.state`, on a page of its own that the kernel wipes in the child of a fork (MADV_WIPEONFORK): zero means that
 * nothing has started, or that this is a new process in which only one thread of the old is left. Every slow rung that locks or
 * reads shared state looks at it first. No lock is ever taken for a fork, and the handler before it only notes whether the thread
 * is alone: the child repairs what the photograph caught half-way in others. vfork and threads share the page, so for them
 * nothing has happened. Process numbers are never compared. */
#ifndef MSPACE_LIFE_H
#define MSPACE_LIFE_H

#include "../base/base.h"
#include "../os/process.h"

#include <stdatomic.h>

enum life_state { LIFE_NONE, LIFE_BEGINNING, LIFE_ON };

struct life {
    char unused[CACHE_LINE]; /* what is read often should not begin a page (BEFORE in range.c) */
    _Atomic(uint32_t) state;
    bool is_kept; /* in a child: the kernel has not wiped the page, whatever it answered */
} __attribute__((aligned(4096)));

extern struct life life HIDDEN;
extern struct os_process process; /* as at start */

void life_begin(void);

/* Starts the allocator at the first call, and repairs it in a new process. Any thread; async-signal-safe. */
INLINE bool life_is_on(void) { return LIKELY(atomic_load_explicit(&life.state, memory_order_acquire) == LIFE_ON); }
INLINE void life_check(void)
{
    if (!life_is_on()) life_begin();
}

/* Whether the program ran, and allocated, before this library was there: it was opened by dlopen. */
extern bool life_came_late;

/* Starts the helper in this process, if the options ask for it (helper.c). Not from within an allocation. */
void life_help(void);

/* Gives the calling thread a heap and has it given back at the thread's end. NULL: it goes on without. */
struct heap *life_thread(void);

#endif
