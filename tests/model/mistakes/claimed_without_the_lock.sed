# A span of the shared heap's is taken over while others allocate from it.
s/take_over\(heap_take_shared\(\), /take_over(heap_at(1), /
s/^    heap_drop_shared\(\);//
