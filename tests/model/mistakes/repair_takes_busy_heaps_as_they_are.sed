# The child goes on with heaps that vanished threads were changing.
s/if \(atomic_load_explicit\(&heap->busy, memory_order_relaxed\)\) lose\(heap\);/if (0) lose(heap);/
