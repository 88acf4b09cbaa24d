# A span that was put on the stack of its former owner is made available there.
s/if \(LIKELY\(heap_of_span\(span\) == heap\)\) welcome/if (true) welcome/
