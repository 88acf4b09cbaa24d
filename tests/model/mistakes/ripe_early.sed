# No mistake: a sleeper is stolen from when one slice is ripe, not 16.
s/RIPE_MAX = 16/RIPE_MAX = 1/
