# The child does not break the lock of the page level.
s/bool was_locked = lock_break\(&spans.lock\);/bool was_locked = false;/
