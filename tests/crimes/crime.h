/* crime.h: what the bad programs share.
 *
 * CRIME marks the bad statement on standard output, before and after: so run.sh knows which address the report must name, and
 * whether it came at once (no second mark) or late. Nothing here allocates. */
#ifndef TESTS_CRIMES_CRIME_H
#define TESTS_CRIMES_CRIME_H

#include "support.h"

#include <alloca.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>

/* The address that the report names, and the statement that is the crime. */
#define CRIME(address, statement) (say("crime %p\n", (void *)(address)), (void)(statement), say("done\n"))

/* Where results go that nobody wants, so that the compiler has to produce them. */
static void *volatile sink __attribute__((unused));

/* Allocates n blocks and keeps them: whatever lies on a free list of this size comes up. */
__attribute__((unused)) static void allocate(int n, size_t size)
{
    while (n--) sink = malloc(size);
}

/* Blocks of 960 bytes, freed but for each 25th, two or three of a span, with the pages on which none is left given back; the one
 * in GONE lay on such. */
enum { NTHINNED = 1000, THINNED = 25, GONE = NTHINNED / 2 + THINNED / 2 };
__attribute__((unused)) static void *thinned[NTHINNED];
__attribute__((unused)) static void thin_out(void)
{
    for (int i = 0; i < NTHINNED; i++) thinned[i] = malloc(960);
    for (int i = 0; i < NTHINNED; i++)
        if (i % THINNED) free(thinned[i]);
    malloc_trim(0);
}

/* Runs `work` in a thread of its own, to its end. */
__attribute__((unused)) static void in_thread(void *(*work)(void *), void *argument)
{
    pthread_t thread;
    require(pthread_create(&thread, NULL, work, argument) == 0, "no thread\n");
    pthread_join(thread, NULL);
}

#endif
