/* diagnose.c: what is said of a pointer that free refused (src/guard/diagnose.c). */
#include "guard/diagnose.h"
#include "api/life.h"
#include "span/span.h"
#include "unit.h"

#include <pthread.h>
#include <sys/mman.h>
#include <ucontext.h>

/* Of a span that has been taken and is yet to be told what its blocks are. */
static void a_pointer_into_a_span_that_is_being_made_is_told(void)
{
    life_check();
    struct span *span = span_take(1, 1, SPAN_AVAILABLE, true);
    require(span && span_desc(span)->size == 0, "it has a class\n");
    require(diagnose_inside(span_address(span) + 16).crime == CRIME_UNUSED, "it is told to be something else\n");
    span_give(span, 0);
}

static ucontext_t thread_context, coroutine_context;
static char *above;

static void look_above(void)
{
    bool is_certain;
    char local[16] = {0};
    require(diagnose_outside(&process, local, &is_certain).crime == CRIME_STACK && is_certain, "its own stack\n");
    require(diagnose_outside(&process, above, &is_certain).crime == CRIME_STACK && !is_certain,
            "what lies between it and the thread's\n");
}

enum { STACK = 1 << 20, BELOW = 32 << 20 };
static void *run_coroutine(void *stack)
{
    getcontext(&coroutine_context);
    coroutine_context.uc_stack.ss_sp = stack, coroutine_context.uc_stack.ss_size = STACK,
    coroutine_context.uc_link = &thread_context;
    makecontext(&coroutine_context, look_above, 0);
    swapcontext(&thread_context, &coroutine_context);
    return stack;
}

/* In between there may be a block of libc's. */
static void a_coroutines_stack_does_not_reach_up_to_the_threads(void)
{
    pthread_t thread;
    pthread_attr_t attributes;
    char *stack = mmap(NULL, BELOW + STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    life_check();
    require(stack != MAP_FAILED && pthread_attr_init(&attributes) == 0 &&
                pthread_attr_setstack(&attributes, stack + BELOW, STACK) == 0,
            "no stack\n");
    above = stack + BELOW / 2;
    require(pthread_create(&thread, &attributes, run_coroutine, stack) == 0 && pthread_join(thread, NULL) == 0, "no thread\n");
}

UNIT_MAIN(PROMISE(a_pointer_into_a_span_that_is_being_made_is_told), PROMISE(a_coroutines_stack_does_not_reach_up_to_the_threads))
