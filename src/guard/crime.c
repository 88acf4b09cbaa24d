#include "crime.h"
#include "../base/bits.h"
#include "../os/lock.h"
#include "../os/options.h"
#include "../os/report.h"
#include "../os/sys.h"

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

COLD void crime_report(const char *entry, const struct evidence *evidence)
{
    static _Atomic(uintptr_t) dying; /* a thread */
    uintptr_t first = 0, own = bits_thread_pointer();
    if (options.on_error == ON_ERROR_IGNORE) return;
    if (options.on_error == ON_ERROR_REPORT) return tell(entry, evidence);
    /* A second report inside the first ends the process: a handler of SIGABRT met the same corruption. Another thread's waits for the first
     * to be told, and for the signal. */
    if (!atomic_compare_exchange_strong(&dying, &first, own)) {
        if (first != own) lock_pause(5000);
        os_call(SYS_exit_group, 134, 0, 0, 0, 0, 0);
    }
    tell(entry, evidence);
    if (crime_before_abort) crime_before_abort();
    abort();
}
