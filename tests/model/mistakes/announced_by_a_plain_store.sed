# Two pushers at once: one count is lost.
s/while \(!atomic_compare_exchange_weak\(&span->remote, &word, after\)\);/while (atomic_store(\&span->remote, after), 0);/
