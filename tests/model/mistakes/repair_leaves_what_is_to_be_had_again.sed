# A thread's next large block is one that the repair has freed.
/heap->again.last\[k\] = heap->again.nslices = 0/d
