# Two threads take the same heap out of the pool.
s/while \(!atomic_compare_exchange_weak_explicit\(pool, &top, new, memory_order_acquire, memory_order_acquire\)\);/while (atomic_store(pool, new), 0);/
