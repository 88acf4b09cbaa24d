# The owner clears SOME without a locked operation: the store may still wait when the bits are looked at.
s/while \(!change\(span, &word, after\)\);/while (atomic_store_explicit(\&span->remote, after, memory_order_relaxed), 0);/
