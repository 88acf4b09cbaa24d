# A thread's next large block is one that the repair has freed.
/heap->again = \(struct again\)/d
