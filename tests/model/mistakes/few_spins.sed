# No mistake: a spin is one look, for 99 more lead to as many states that differ in nothing else.
s/SPINS = 400/SPINS = 1/
