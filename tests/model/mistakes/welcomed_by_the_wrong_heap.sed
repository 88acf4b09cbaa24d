# A span that was put on the stack of its former owner is made available there.
s/if \(owner_of\(span\) == heap\) welcome/if (owner_of(span)) welcome/
