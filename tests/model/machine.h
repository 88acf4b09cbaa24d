/* machine.h: threads and memory, for search.c. */
#ifndef TESTS_MODEL_MACHINE_H
#define TESTS_MODEL_MACHINE_H

#include "model.h"

/* What the search may do next: thread i steps, or the oldest store of its buffer goes out. */
enum { NEVENTS = 2 * NTHREADS };
#define EVENT_OUT(i) (NTHREADS + (i))

/* From here on the machine sees what the core does. Threads without a `run` are over. */
void machine_begin(void (*const run[NTHREADS])(void), bool all_stores_matter);

/* Whether stores wait in buffers; at first they do not. */
void machine_set_buffers(bool has_buffers);

bool machine_may(unsigned event);
void machine_do(unsigned event);
bool machine_is_over(void); /* every thread, and no store is left */

/* The whole state: its hash, a copy to go back to, and the way back. */
uint64_t machine_hash(void);
void *machine_save(void);
void machine_restore(const void *saved);

/* Where thread i stands: the return address of its access in the core, 0 at its start; whether it waits for a lock. */
uintptr_t machine_place(unsigned i);
bool machine_waits(unsigned i);

/* Words that matter and were not known to; makes them known, and forgets what else was learned. */
unsigned machine_nfound(void);
void machine_learn(void);

/* The known ones, for a schedule: text of at most n bytes, and back. */
void machine_print_known(char *text, size_t n);
const char *machine_read_known(const char *text); /* returns what is behind it */
unsigned machine_nknown(void);

/* An access by the caller, which is not compiled like the core. */
void machine_touch(void *word, bool writes);
/* A word that is of the model, not of the program: part of the state, no step. */
void machine_note(void *word);

#endif
