# The owner changes the word of a span as it may only when it is alone.
s/if \(!heap_is_alone\(\)\)/if (0)/
