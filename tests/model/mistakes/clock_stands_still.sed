# No mistake: nobody looks for what rests, which depends on the time.
s/bits_ticks\(\)/0/
