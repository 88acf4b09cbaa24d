# The top of the pool may go and come again, and the swap does not notice.
s/\(\(top >> 32\) \+ 1\) << 32/(top >> 32) << 32/
