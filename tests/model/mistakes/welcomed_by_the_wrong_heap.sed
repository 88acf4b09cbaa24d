# A span that was put on the stack of its former owner is made available there.
s/if \(heap_of_span\(span\) == heap && most\) welcome/if (heap_of_span(span) \&\& most) welcome/
