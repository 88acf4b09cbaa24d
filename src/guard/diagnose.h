/* diagnose.h - what is wrong with a pointer that free refused. Passive: reads the records, returns a verdict.
 * Any thread, async-signal-safe, no lock; slow is fine here. */
#ifndef MSPACE_DIAGNOSE_H
#define MSPACE_DIAGNOSE_H

#include "../os/process.h"
#include "crime.h"

/* For a pointer inside the heap range that is not the start of a live block. */
struct evidence diagnose_inside(const void *p);

/* For a pointer outside it: certain crimes only. is_certain false: it may be another allocator's. */
struct evidence diagnose_outside(const struct os_process *process, const void *p, bool *is_certain);

#endif
