/* choices.h - what is open in the layout of stub.h, and what it is unless an experiment says otherwise. */
#ifndef LAYOUT_CHOICES_H
#define LAYOUT_CHOICES_H

/* The choices. Each is a number, tested by plain `if`: the compiler drops what is not chosen. */
enum { AT_FREE_NOTHING, AT_FREE_TAG, AT_FREE_TAG_IF_CURRENT, AT_FREE_HEAD };
enum { BITS_NONE, BITS_BLOCK, BITS_GRANULE, BITS_ONLY };
enum { PICK_NEWEST, PICK_OLDEST, PICK_FULLEST };
#ifndef TAG
#define TAG 1 /* free stores a tag beside next, malloc checks and clears it */
#endif
#ifndef AT_FREE
#define AT_FREE AT_FREE_NOTHING /* what free compares, besides the exact start */
#endif
#ifndef BITS
#define BITS BITS_NONE /* out of line: a bit per block, a bit per 16 bytes, or bits instead of lists */
#endif
#ifndef SCAN
#define SCAN 0 /* a span that seems empty is read through before it is released */
#endif
#ifndef SUM
#define SUM 0 /* frees add up their offsets; of an empty span the sum is known. 2: in the countdown's low half */
#endif
#ifndef FUSED
#define FUSED 0 /* exact start and never carved in one comparison: see is_block */
#endif
#ifndef WAKE_DIV
#define WAKE_DIV 4 /* a full span is available again after min(capacity / WAKE_DIV, WAKE_CAP) frees */
#endif
#ifndef WAKE_CAP
#define WAKE_CAP 32
#endif
#ifndef WAKE_FLOOR
#define WAKE_FLOOR 1
#endif
#ifndef PICK
#define PICK PICK_NEWEST /* which available span becomes current */
#endif
#ifndef MIN_SLICES
#define MIN_SLICES 1 /* smallest span */
#endif
#ifndef PAIR_INLINE
#define PAIR_INLINE 0 /* 1: a span's own pair lies in its descriptor, not in its record */
#endif
#ifndef PREFETCH
#define PREFETCH 0 /* malloc prefetches the block that the next malloc of the class will pop */
#endif
#ifndef HUGE
#define HUGE 1 /* ask for huge pages */
#endif
#ifndef RANGE_MIB
#define RANGE_MIB 1024
#endif

#endif
