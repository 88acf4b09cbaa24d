# A full span is not put on its owner's stack.
s/\*after \|= REMOTE_NOTIFIED, WAKES/PUSHED/
