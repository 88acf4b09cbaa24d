# A span is let go even if bits have come.
s/if \(remote_has\(word\)\) return false;//
