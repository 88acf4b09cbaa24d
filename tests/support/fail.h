/* fail.h - system calls that fail as a test has planned. A program that is linked with fail.c and --wrap=os_call runs the gateway
 * that ships (src/os/sys.c). */
#ifndef MSPACE_FAIL_H
#define MSPACE_FAIL_H

/* Answers calls of `number`, or of any but futex, from the k-th on (counted from the setting, k = 1 is the next) with -error,
 * `times` times. Returns how many there have been of those set before. */
enum { OS_ANY = -1 };
unsigned long os_fail(long number, unsigned long k, unsigned long times, int error);

/* Calls of `number` take so long more. */
void os_delay(long number, unsigned microseconds);

#endif
