# A span is made shorter before there is one behind it: the records do not tile the range meanwhile.
/^static struct span \*split/,/^}/{
s/^    span_set\(right, span_state\(span\), nright\);$/    enum span_state state = span_state(span);/
s/^    span_set\(span, span_state\(span\), nslices\);$/    span_set(span, state, nslices);\
    span_set(right, state, nright);/
}
