# A pusher says that there are bits, and then sets them.
s/uint64_t twice = atomic_fetch_or\(remote_word\(span, word\), bits\) & bits;/enum outcome outcome = announce(span, bits); uint64_t twice = atomic_fetch_or(remote_word(span, word), bits) \& bits;/
s/settle\(span, announce\(span, bits & ~twice\), owner\)/settle(span, outcome, owner)/
