# The owner clears SOME of its current span without a locked operation: right, if stores did not wait in buffers. As they do, a pusher may
# still see SOME, and tell nobody, when the owner has already looked at the bits.
s/^ +else remote_take\(span, false\), span->swept = 0;/else { uint64_t word = remote_load(span); atomic_store_explicit(\&span->remote, ((word \/ REMOTE_EPOCH + 1) * REMOTE_EPOCH) | (word \& REMOTE_NOTIFIED), memory_order_relaxed); span->swept = 0; }/
