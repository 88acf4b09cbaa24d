# Who slept takes the lock as if no other slept.
s/^    while \(atomic_exchange_explicit\(&lock->word, 2, memory_order_acquire\) != 0\) \{/    for (int free = 0; !atomic_compare_exchange_strong_explicit(\&lock->word, \&free, 1, memory_order_acquire, memory_order_relaxed); free = 0) {\
        if (free == 1) atomic_compare_exchange_strong_explicit(\&lock->word, \&free, 2, memory_order_relaxed, memory_order_relaxed);/
