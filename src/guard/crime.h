/* crime.h - what a program did to its heap, told in one line, `mspace[PID]: entry(): evidence`. Then what on_error says: abort
 * (the default), report (go on after the line) or ignore (go on in silence). A caller that gets control back leaves the memory in
 * question alone for ever: a leak, never a second owner. Any thread, async-signal-safe. */
#ifndef MSPACE_CRIME_H
#define MSPACE_CRIME_H

#include "../base/base.h"

enum crime {
    CRIME_FOREIGN,     /* not our memory, and nobody else's as far as can be told */
    CRIME_STACK,       /* the calling thread's stack */
    CRIME_MISALIGNED,  /* not ours and not even a multiple of 16 */
    CRIME_INTERIOR,    /* inside a block of ours */
    CRIME_NEVER,       /* a place where a block of ours will be, but none has been */
    CRIME_DOUBLE,      /* free already, seen at the second free */
    CRIME_FREED,       /* free already, and used as if it were not */
    CRIME_OVERWRITTEN, /* found on a free list, but no longer what free left there */
    CRIME_UNUSED,      /* in the heap range, but in no span that is in use */
};

struct evidence {
    enum crime crime;
    const void *pointer; /* what the caller passed, or the block found broken */
    const void *block;   /* the block it belongs to, where there is one */
    size_t size;         /* that block's size in bytes, 0 unknown */
};

/* entry: the public function as the program called it, "free()". */
void crime_report(const char *entry, const struct evidence *evidence);

extern void (*crime_before_abort)(void); /* set once at start: lets go of locks, as SIGABRT handlers allocate */

#endif
