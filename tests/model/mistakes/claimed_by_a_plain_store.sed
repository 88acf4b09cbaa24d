# Both of two threads that free a large block at once free it.
s/return __atomic_compare_exchange_n\(&span_desc\(span\)->owner, &expected, .*/(void)expected; __atomic_store_n(\&span_desc(span)->owner, OWNER_NONE, __ATOMIC_RELEASE); return true;/
