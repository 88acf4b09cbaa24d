# The child does not rebuild the bins, unless a heap has vanished.
s/if \(was_locked \|\| spans.npurging \|\| /if (/
