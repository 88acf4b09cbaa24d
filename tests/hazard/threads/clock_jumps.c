/*
 * Clocks that jump by a hundred years, or stand still: freed memory goes back all the same, nothing hangs, nothing counts wrong.
 *
 * Every function of libc's that tells the time is this program's own, for the allocator, too, and goes back and forth. Phases of
 * growth and release of 64 MiB; in the end no more may be held than when the clock was right.
 */
#include "../../memory/memory.h"
#include "../../stress/stress.h"

#include <sys/syscall.h>
#include <sys/time.h>

enum { NBLOCKS = 30000, NPHASES = 10, GROWN_MAX = 8 << 20 };
static const long CENTURY = 3155760000;

static long offset; /* seconds */

int clock_gettime(clockid_t clock, struct timespec *time)
{
    long answer = syscall(SYS_clock_gettime, clock, time);
    time->tv_sec += offset;
    return (int)answer;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone)
{
    long answer = syscall(SYS_gettimeofday, time, zone);
    time->tv_sec += offset;
    return (int)answer;
}

time_t time(time_t *to)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (to != NULL) *to = now.tv_sec;
    return now.tv_sec;
}

static size_t phase(uint64_t random)
{
    static void *blocks[NBLOCKS];
    for (int i = 0; i < NBLOCKS; i++) blocks[i] = stamped_new(size_random(&random) % 4096 + 16);
    for (int i = 0; i < NBLOCKS; i++) stamped_free(blocks[i]);
    return anonymous_nbytes();
}

int main(void)
{
    size_t held = 0, right = 0;
    watchdog(280);
    for (int i = 0; i < NPHASES; i++) held = phase((uint64_t)i);
    right = held;
    for (int i = 0; i < NPHASES; i++) {
        offset = i % 2 ? CENTURY : -CENTURY;
        held = phase((uint64_t)i);
        require(time(NULL) < CENTURY - CENTURY / 2 || time(NULL) > CENTURY, "the clock was not moved\n");
        alarm(200); /* by the kernel's clock */
    }
    say("held %zu KiB with the right clock, %zu KiB with jumps\n", right >> 10, held >> 10);
    require(held <= right + GROWN_MAX, "held %zu KiB, with the right clock %zu KiB\n", held >> 10, right >> 10);
    require_sound("at the end");
    return 0;
}
