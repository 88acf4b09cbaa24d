# Two threads are given the same new record.
s/lock_take\(&table.lock\);//
