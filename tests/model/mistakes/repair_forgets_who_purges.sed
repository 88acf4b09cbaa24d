# What a thread without a heap was purging is lost to the bins.
s/ \|\| spans.npurging//
