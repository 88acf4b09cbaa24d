# Somebody may have given it back in the meantime.
s/ \|\| !atomic_compare_exchange_strong\(&heap->kept\[i\], &span, NULL\)\) continue;/) continue; atomic_store(\&heap->kept[i], NULL);/
