#include "fail.h"
#include "os/sys.h"

#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

long __real_os_call(long number, long a, long b, long c, long d, long e, long f);
long __wrap_os_call(long number, long a, long b, long c, long d, long e, long f);

static struct plan {
    long number;
    unsigned long k, times, seen;
    int error;
} planned;

unsigned long os_fail(long number, unsigned long k, unsigned long times, int error)
{
    unsigned long seen = planned.seen;
    planned = (struct plan){number, k, times, 0, error};
    return seen;
}

static struct { long number; unsigned microseconds; } slow;
void os_delay(long number, unsigned microseconds) { slow.number = number, slow.microseconds = microseconds; }

/* By which the library asks what is mapped: ENOMEM is an answer. */
static bool only_asks(long number, long advice) { return number == SYS_madvise && advice == MADV_NORMAL; }

static bool shall_fail(long number)
{
    if (number != planned.number && (planned.number != OS_ANY || number == SYS_futex)) return false;
    return ++planned.seen >= planned.k && planned.seen - planned.k < planned.times;
}

long __wrap_os_call(long number, long a, long b, long c, long d, long e, long f)
{
    if (number == slow.number && slow.microseconds) usleep(slow.microseconds);
    if (only_asks(number, c) || !shall_fail(number)) return __real_os_call(number, a, b, c, d, e, f);
    if (number == SYS_mremap) {
        /* Since Linux 6.17 one that fails may have moved a part; and with any it has unmapped where the rest should go. */
        long half = (long)round_up((size_t)b / 2, 4096);
        __real_os_call(number, a, half, half, d, e, f);
        __real_os_call(SYS_munmap, e + half, c - half, 0, 0, 0, 0);
    }
    return -planned.error;
}
