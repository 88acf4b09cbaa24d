# A thread that exits puts its heap into the pool and then drains it.
/^COLD void heap_retire/,/^}/{
s/heap_drain\(heap, false\);/heap_pool(heap, POOL_LEFT);/
t
s/heap_pool\(heap, POOL_LEFT\);/heap_drain(heap, false);/
}
