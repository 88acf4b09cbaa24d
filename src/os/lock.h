/* lock.h - the one lock: 4 bytes, static zero is unlocked.
 *
 *      0 free      1 held      2 held, and somebody may sleep
 *
 * A short spin, then a futex wait, so that a holder stopped by a debugger burns nobody's processor. Never held across a system
 * call other than the growth of the range. After a fork the child finds a lock that a vanished thread held in the state it had;
 * lock_break makes it new (life.c), before anybody else can take it. Ranks, outermost first: shared heap, page level. lock_take
 * orders acquire and pairs with lock_drop's release. */
#ifndef MSPACE_LOCK_H
#define MSPACE_LOCK_H

#include "../base/base.h"

#include <stdatomic.h>

struct lock {
    _Atomic(int) word;
};

void lock_take_slow(struct lock *lock);
void lock_wake(struct lock *lock);

/* Sleeps, by a futex that nobody wakes: no system call of another kind. */
void lock_pause(unsigned milliseconds);

INLINE bool lock_try(struct lock *lock)
{
    int expected = 0;
    return atomic_compare_exchange_strong_explicit(&lock->word, &expected, 1, memory_order_acquire, memory_order_relaxed);
}

INLINE void lock_take(struct lock *lock)
{
    if (UNLIKELY(!lock_try(lock))) lock_take_slow(lock);
}

INLINE void lock_drop(struct lock *lock)
{
    if (UNLIKELY(atomic_exchange_explicit(&lock->word, 0, memory_order_release) == 2)) lock_wake(lock);
}

/* Returns whether it was held, and leaves it free. Only while no other thread of this process can reach it. */
INLINE bool lock_break(struct lock *lock) { return atomic_exchange_explicit(&lock->word, 0, memory_order_relaxed) != 0; }

#endif
