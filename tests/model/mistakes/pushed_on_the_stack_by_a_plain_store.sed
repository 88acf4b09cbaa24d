# Two spans are woken at once, and one is lost.
s/while \(!atomic_compare_exchange_weak_explicit\(&heap->woken, &top, span, .*/while (atomic_store(\&heap->woken, span), 0);/
