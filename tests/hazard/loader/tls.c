/* tls.c: linked many times over, under as many names: a shared object with thread-local storage of its own that makes itself
 * known to tls_many.c as it is opened. */
#include "tls.h"

#ifndef NBYTES
#define NBYTES 40
#endif
#ifdef INITIAL_EXEC
#define MODEL __attribute__((tls_model("initial-exec")))
#else
#define MODEL __attribute__((tls_model("global-dynamic")))
#endif

static __thread struct {
    long number;
    char rest[NBYTES - 8];
} data MODEL = {TLS_FRESH, {0}};

#ifdef NAMED /* found by its name: many of them, each closed again */
long *tls_number(void) { return &data.number; }
#else
static long *number_of_this_thread(void) { return &data.number; }

__attribute__((constructor)) static void begin(void)
{
    if (tls_register) tls_register(number_of_this_thread);
}
#endif
