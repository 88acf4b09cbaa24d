# The child goes on with a shared heap that a vanished thread was changing.
s/^    if \(!lock_break\(&shared_lock\)\) return;/    if (lock_break(\&shared_lock) || true) return;/
