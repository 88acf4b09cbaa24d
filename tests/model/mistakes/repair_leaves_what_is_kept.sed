# A heap's next large block is one that the repair has freed.
/heap->kept\[k\]/d
