# RETIRED rests on the count, and nobody looks at the bits.
s/ && are_all_set\(span\);/;/
s/ && are_all_set\(span\)\)$/ \&\& (word \& REMOTE_COUNT) >= span->capacity)/
