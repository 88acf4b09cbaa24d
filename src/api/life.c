#include "life.h"
#include "../guard/crime.h"
#include "../heap/heap.h"
#include "../os/map.h"
#include "../os/options.h"
#include "../watch/census.h"
#include "../watch/watch.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>

struct life life;
struct os_process process;
bool life_came_late;

static bool has_started; /* not wiped: tells a new process from a first start */
/* Our constructor has run: ld.so copies no thread-local image any more over what is written there. On the small data's page
 * (CMakeLists.txt). */
static _Alignas(void *) bool is_ready;
static pthread_key_t exit_key;
static bool has_exit_key;

/* What the process was started with, and what follows: looked at by our constructor, or by a call that comes before it. */
static void read_process(void)
{
    static bool is_read; /* process would do, but reading its page before it is written is a page fault more */
    if (is_read) return;
    os_process_read(&process);
    options_read(&process);
    class_start(); /* now: no call may find the class before, and a heap after, a handler's call that starts all the rest */
    if (options.limit.hard) class_serve_all();
    is_read = true;
}

static void start(void)
{
    read_process();
    /* Our mapping above the program: the usual layout. Below it: the hole reaches up to the stack. */
    uintptr_t own = (uintptr_t)&life, high = own > process.entry ? own : process.stack;
    range_start(process.entry, high, process.random[0]);
    heap_start(process.random[1]);
    crime_before_abort = heap_abandon;
    __atomic_store_n(&has_started, true, __ATOMIC_RELAXED);
}

/* A child in which only the calling thread is left. Whatever a vanished thread was in the middle of is rebuilt from the
 * span records, which tile the range at every instant, or lost with it. */
static void repair(void)
{
    bool was_locked = lock_break(&spans.lock);
    /* The first thread of a process that no atfork handler has heard of may have come by the fast paths until it started this
     * one. Which heap is its own nobody can tell, so all stay whose they were. */
    heaps_repair(heap_own(), heap_own() || os_is_first_thread());
    spans_repair(was_locked); /* even if no heap has vanished: who purges need not have one */
    census_break();
}

COLD void life_begin(void)
{
    uint32_t none = LIFE_NONE;
    /* First, be it by two threads: a child forked half-way through start() finds NONE and does it again. */
    if (!PEEK(has_started)) {
        os_wipe_on_fork(&life, sizeof life);
        __atomic_store_n(&life.is_kept, true, __ATOMIC_RELAXED);
    }
    if (atomic_compare_exchange_strong_explicit(&life.state, &none, LIFE_BEGINNING, memory_order_acquire, memory_order_acquire)) {
        if (has_started) repair();
        else start();
        atomic_store_explicit(&life.state, LIFE_ON, memory_order_release);
    }
    /* Somebody else is at it: a few microseconds, once in the life of a process. */
    while (atomic_load_explicit(&life.state, memory_order_acquire) != LIFE_ON) __asm__ volatile("" ::: "memory");
}

static bool was_alone; /* the thread that forks. With a heap: what nobody else can have but a thread that libc does not know */

static void before_fork(void) { was_alone = heap_own() && heap_is_alone(); }

/* Of a process of one thread nothing has vanished. What is half-way is what a signal handler that forks has interrupted, and goes
 * on. */
static void after_fork_in_child(void)
{
    if (was_alone) atomic_store_explicit(&life.state, LIFE_ON, memory_order_relaxed);
    else if (life.is_kept) atomic_store_explicit(&life.state, LIFE_NONE, memory_order_relaxed);
    life_check();
    life_help();
}

/* A thread's other destructors may still free and allocate, so this one asks to be called again, of the four times that POSIX
 * promises; but once only, for a thread that first allocates in one of them, in the second round and behind us, has two left. */
enum { EXIT_ROUNDS = 2 };

static void at_thread_exit(void *round)
{
    uintptr_t n = (uintptr_t)round;
    if (n < EXIT_ROUNDS && pthread_setspecific(exit_key, (void *)(n + 1)) == 0) return;
    life_check();
    heap_retire();
    purge_at_leisure();
}

COLD struct heap *life_thread(void)
{
    if (!is_ready || thread.state != THREAD_NEW) return NULL;
    struct heap *heap = heap_acquire();
    if (!heap) return NULL;
    /* In any other mode every call takes the slow doors, where the checks are. */
    if (options.mode == MODE_FAST) thread.heap = thread.frees = thread.own;
    /* May allocate (a key above 31): the heap is there already. Should it fail, the heap is not recycled, no more. */
    if (has_exit_key) pthread_setspecific(exit_key, (void *)1);
    return heap;
}

/* pthread_atfork's, in glibc. Without it (musl) a child repairs itself when it first comes here (life_check), as that of a bare
 * clone does. */
extern int __register_atfork(void (*)(void), void (*)(void), void (*)(void), void *dso) __attribute__((weak));
extern void *const __dso_handle HIDDEN;

__attribute__((constructor)) static void ready(void)
{
    /* Linked with -z initfirst we run before libc's own constructor sets this, unless the program has long begun. */
    life_came_late = program_invocation_name[0] != 0;
    read_process(); /* and no more: a program that never allocates pays for nothing else */
    has_exit_key = pthread_key_create(&exit_key, at_thread_exit) == 0;
    if (__register_atfork) __register_atfork(before_fork, NULL, after_fork_in_child, (void *)(uintptr_t)&__dso_handle);
    is_ready = true;
    if (!options.inherit) os_forget_preload(&process);
    options_tell();
    life_help();
}

__attribute__((destructor)) static void done(void)
{
    if (options.stats) watch_print();
}
