# What a thread without a heap was purging is lost to the bins.
s/ spans_repair\(was_locked\);/ if (was_locked || heaps_have_vanished) spans_repair(was_locked);/
