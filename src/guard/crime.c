#include "crime.h"
#include "../base/bits.h"
#include "../os/lock.h"
#include "../os/options.h"
#include "../os/report.h"
#include "../os/sys.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>

void (*crime_before_abort)(void);

static const char *const SENTENCE[] = {
    [CRIME_FOREIGN] = " was not allocated here",
    [CRIME_STACK] = " lies on the stack of the calling thread",
    [CRIME_MISALIGNED] = " was not allocated here: it is not 16-byte aligned",
    [CRIME_FREED] = " was freed before",
    [CRIME_NEVER] = " was never allocated",
    [CRIME_OVERWRITTEN] = " was freed twice or written to after it was freed",
    [CRIME_UNUSED] = " is not in use: it was freed before, or never allocated",
};

static void tell(const char *entry, const struct evidence *evidence)
{
    struct text text;
    report_begin(&text);
    text_string(&text, entry);
    text_string(&text, evidence->crime == CRIME_DOUBLE ? ": double free of " : ": ");
    text_pointer(&text, evidence->pointer);
    if (evidence->crime == CRIME_INTERIOR) {
        text_string(&text, " is ");
        text_decimal(&text, (uintptr_t)evidence->pointer - (uintptr_t)evidence->block);
        text_string(&text, (uintptr_t)evidence->pointer - (uintptr_t)evidence->block == 1 ? " byte" : " bytes");
        text_string(&text, " into the block at ");
        text_pointer(&text, evidence->block);
    } else {
        text_string(&text, SENTENCE[evidence->crime]);
    }
    if (evidence->size) {
        text_string(&text, " (");
        text_decimal(&text, evidence->size);
        text_string(&text, "-byte block)");
    }
    report_line(&text);
}

/* Whether the calling thread is in a handler of SIGABRT, or may be: there the signal is held back, unless the handler wants to be
 * interrupted by another. */
static bool may_be_in_handler(void)
{
    uint64_t held_back = 0, action[4] = {0}; /* the kernel's: handler, flags, restorer, mask */
    os_call(SYS_rt_sigprocmask, SIG_BLOCK, 0, (long)&held_back, sizeof held_back, 0, 0);
    os_call(SYS_rt_sigaction, SIGABRT, 0, (long)action, sizeof held_back, 0, 0);
    return held_back >> (SIGABRT - 1) & 1 || action[1] & SA_NODEFER;
}

static void end_without_handler(void)
{
    const uint64_t by_default[4] = {(uintptr_t)SIG_DFL};
    os_call(SYS_rt_sigaction, SIGABRT, (long)by_default, 0, sizeof by_default[3], 0, 0);
}

static struct {
    _Atomic(uintptr_t) thread, frame; /* of the last crime */
    _Atomic(unsigned) ndeeper, nwaits;
} dying;

/* The first wait is for the first crime to be told, and for its signal; after which there is nobody, unless the program does not
 * die of it. */
static void wait_for_first(uintptr_t frame)
{
    enum { WAIT_MS = 5000, DEEP = 8 };
    uintptr_t first = 0, own = bits_thread_pointer();
    bool has_waited = false;
    while (!atomic_compare_exchange_strong(&dying.thread, &first, own) && first != own) lock_pause(WAIT_MS), has_waited = true;
    /* a handler may hang, in one thread after the other */
    bool is_last = has_waited && atomic_fetch_add(&dying.nwaits, 1) != 0, is_again = first == own;
    dying.ndeeper = is_again && frame < dying.frame ? dying.ndeeper + 1 : 0;
    dying.frame = frame;
    /* The same thread again: its handler of SIGABRT has met the same corruption, and would for ever. Or has jumped out of it; or
     * that was a child of vfork. */
    if (is_last || dying.ndeeper >= DEEP || (is_again && may_be_in_handler())) end_without_handler();
}

COLD void crime_report(const char *entry, const struct evidence *evidence)
{
    if (options.on_error == ON_ERROR_IGNORE) return;
    if (options.on_error == ON_ERROR_REPORT) return tell(entry, evidence);
    wait_for_first((uintptr_t)__builtin_frame_address(0));
    tell(entry, evidence);
    if (crime_before_abort) crime_before_abort();
    abort();
}
