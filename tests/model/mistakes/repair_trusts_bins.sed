# The child does not rebuild the bins, unless a heap has vanished.
s/ spans_repair\(was_locked\);/ if (heaps_have_vanished) spans_repair(was_locked);/
