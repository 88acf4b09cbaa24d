# The heap that young ones share is used by two at once.
s/lock_take\(&shared_lock\);//
