/* process.h - what the kernel told this process at its start, and whether this is still that process.
 *
 * The initial stack is read in place: it is there before libc is ready, needs no file and no entropy call.
 *
 *      low   argc | argv[0] .. NULL | envp[0] .. NULL | auxv type,value .. AT_NULL | strings   high */
#ifndef MSPACE_PROCESS_H
#define MSPACE_PROCESS_H

#include "../base/base.h"

struct os_process {
    char **environment; /* as at exec, the program's own; NULL where it could not be found */
    const char *name;   /* the last part of argv[0] as at exec, without the '-' of a login shell, or NULL */
    uintptr_t entry;    /* AT_ENTRY: lies in the program */
    uintptr_t stack;    /* some address of the initial stack */
    uint64_t random[2]; /* a keyed hash of AT_RANDOM and of our addresses: never the stack protector's own bytes */
    bool is_secure;     /* AT_SECURE: setuid and the like; the environment is not to be trusted */
};

/* Reads it all. Any time after the library is relocated; touches no errno. */
void os_process_read(struct os_process *process);

/* Whether LD_PRELOAD names this library, and not somebody else's list (/etc/ld.so.preload, what the program is linked to). */
bool os_is_preloaded(const struct os_process *process);

/* Takes this library's name out of LD_PRELOAD, so that children go without. At start only: it changes the environment in
 * place. */
void os_forget_preload(const struct os_process *process);

/* Whether the calling thread is the one that the process began with: by fork, by clone, by exec. */
bool os_is_first_thread(void);

#endif
