#include "lock.h"
#include "sys.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>

/* Pauses of 40-140 cycles: longer than nearly every critical section of ours, with a page fault or two in it. A futex's two
 * context switches are shorter, but let other threads run, and begin, and take memory of their own meanwhile (figures:
 * ../README.md). */
static const int SPINS = 400;

static void pause_briefly(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

COLD void lock_take_slow(struct lock *lock)
{
    for (int i = 0; i < SPINS; i++) {
        pause_briefly();
        if (atomic_load_explicit(&lock->word, memory_order_relaxed) == 0 && lock_try(lock)) return;
    }
    /* Whoever slept takes it as 2: it cannot know whether it was the only sleeper. */
    while (atomic_exchange_explicit(&lock->word, 2, memory_order_acquire) != 0) {
        if (os_call(SYS_futex, (long)&lock->word, FUTEX_WAIT_PRIVATE, 2, 0, 0, 0) == -38 /* ENOSYS */) pause_briefly();
    }
}

COLD void lock_wake(struct lock *lock) { os_call(SYS_futex, (long)&lock->word, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0); }

void lock_pause(unsigned milliseconds)
{
    static const struct lock nobodys;
    struct timespec time = {.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000L};
    os_call(SYS_futex, (long)&nobodys.word, FUTEX_WAIT_PRIVATE, 0, (long)&time, 0, 0);
}
