/* run.h - one run of a program under one allocator, and all that is known of it afterwards.
 *
 *      child    own process group, own stdin, stdout and stderr in memory, LD_PRELOAD set or not
 *      we       start it, wait, look once whether the library is really mapped, end what it leaves behind
 *
 * Peak memory is the kernel's (ru_maxrss), and of anonymous memory alone the largest sample of smaps_rollup. The
 * child is forked, not vforked: what exec replaces counts for ru_maxrss, and must not be this process.
 *
 * The look needs the child to stand still for some 50 microseconds (ptrace): 10 ms after its start, or at its exit if that is sooner.
 * The time of the stop is taken off. Where ptrace is refused the look is not taken, and that is said. */
#ifndef MEASURE_RUN_H
#define MEASURE_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct plan {
    char **command;                       /* ends with NULL */
    char **environment;                   /* K=V to add, ends with NULL */
    const char *input, *folder, *prepare; /* NULL: /dev/null, here, nothing */
    char **server;      /* a shell command in server[2]; NULL: none, and `command` is what is measured, not the client */
    const char *ready;  /* shell command that succeeds when the server can be used; NULL: at once */
    const char *figure; /* take as time the `N ns/op` of the line that begins with this word; NULL: the clock */
    double timeout;     /* seconds; 0: none */
};

enum trouble {
    TROUBLE_NONE,
    TROUBLE_EXEC,
    TROUBLE_TIMEOUT,
    TROUBLE_NOT_MAPPED,
    TROUBLE_NO_FIGURE,
    TROUBLE_READY,
    TROUBLE_CLIENT,
    TROUBLE_PREPARE,
    TROUBLE_INTERRUPTED
};

struct run {
    enum trouble trouble;
    int status;                     /* as wait(2) gives it */
    int error;                      /* errno of a failed exec */
    bool is_looked_at;              /* whether the mappings were seen at all */
    double wall, user, system;      /* seconds; wall: ns per op with a figure; of the client with a server */
    double peak_kib, anonymous_kib; /* anonymous: 0 unless sampled */
    double faults;
    int output;           /* memfd of the standard output, the caller's to close; -1 */
    char last_words[160]; /* last line of standard error */
};

/* Runs it once. library: path to preload, or NULL. is_sampled: anonymous memory is sampled every few milliseconds, which costs
 * time: such a run is no measurement of it. */
void run_once(const struct plan *plan, const char *library, bool is_sampled, struct run *run);

/* Whether two outputs are the same, byte for byte. */
bool run_same_output(int a, int b);

/* Once, before the first run: orphans of the children become ours, so that they can be ended; SIGCHLD is blocked, and SIGINT,
 * SIGTERM and SIGHUP end the run in progress (TROUBLE_INTERRUPTED). */
void run_start(void);
extern volatile int run_interrupted; /* the signal, or 0 */

double run_now(void); /* seconds */

#endif
