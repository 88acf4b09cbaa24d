/* helper.c - helper=1: a thread of the library's own that gives memory back when nobody else comes by to do it.
 *
 * Four times a second it looks at the page level. What has not changed since it looked last is idle: all that is free goes back
 * but what each thread may have again (again.h), with what heaps keep whose threads are gone and the spans that others' frees
 * have emptied and whose owners sleep. It never allocates, takes no signals, and has no heap. Off by default: programs count
 * their threads, some may have but one (unshare(2), setns(2)), and some end with their last. */
#include "../heap/large.h"
#include "../heap/remote.h"
#include "../os/lock.h"
#include "../os/options.h"
#include "life.h"

#include <pthread.h>
#include <signal.h>

enum { TICK_MS = 250, STACK = 64 << 10, STACK_MOST = 64 << 20 };

static void *help(void *nothing)
{
    struct span_totals last = {0};
    for (;;) {
        lock_pause(TICK_MS);
        struct span_totals now = {.live = PEEK(spans.totals.live), .dirty = PEEK(spans.totals.dirty)};
        bool is_idle = now.live == last.live && now.dirty == last.dirty;
        for (size_t i = 0; heap_at(i); i++) remote_steal_ripe(heap_at(i));
        if (is_idle) heap_trim_pooled(1 /* seen a look ago */, false), large_give_all_kept();
        if (is_idle) purge_down_to(0);
        else purge_at_leisure();
        last = now;
    }
    return nothing;
}

COLD void life_help(void)
{
    pthread_attr_t attributes;
    pthread_t helper;
    sigset_t all, before;
    size_t stack = STACK;
    if (!options.helper || pthread_attr_init(&attributes) != 0) return;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED); /* these hold nothing that would be destroyed */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    /* Static TLS is a part of the stack. Refused to the end: the process goes on without. */
    do pthread_attr_setstacksize(&attributes, stack);
    while (pthread_create(&helper, &attributes, help, NULL) != 0 && (stack *= 32) <= STACK_MOST);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}
