# Its owner may have taken it in the meantime.
s/if \(span && \(span = atomic_exchange\(&heap->kept\[i\], NULL\)\) != NULL\)/atomic_store(\&heap->kept[i], NULL); if (span)/
