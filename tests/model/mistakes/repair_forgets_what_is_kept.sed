# What a thread was about to keep, or to give back again, is lost.
s/state >= SPAN_KEPT && state <= SPAN_LARGE/state >= SPAN_CURRENT \&\& state <= SPAN_LARGE/
