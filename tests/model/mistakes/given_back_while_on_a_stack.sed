# An empty span goes, though it stands on a stack of woken spans.
s/if \(remote_load\(span\) & REMOTE_NOTIFIED\) return;//
