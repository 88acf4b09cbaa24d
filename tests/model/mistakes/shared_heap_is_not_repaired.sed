# The child goes on with a shared heap that a vanished thread was changing.
s/^    if \(!was_held\) return;/    return; (void)was_held;/
