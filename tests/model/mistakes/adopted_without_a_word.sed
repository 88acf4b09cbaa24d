# A heap from which a span is adopted does not say that it is being changed.
/^static struct span \*adopt/,/^}/s/heap_enter\(gone\);//
