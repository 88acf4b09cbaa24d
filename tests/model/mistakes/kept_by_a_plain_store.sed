# Another thread may have put one there in the meantime.
s/!atomic_compare_exchange_strong\(place, &other, span\)/(atomic_store(place, span), other)/
