/* ops.h: one step of the random program: drawn, done and checked, and put into words; see ops.c. */
#ifndef TESTS_PROPERTY_OPS_H
#define TESTS_PROPERTY_OPS_H

#include "model.h"

/* KIND(name in the enum, how a shrunk sequence prints it) */
#define OP_KINDS(KIND)                  \
    KIND(MALLOC, "malloc")              \
    KIND(CALLOC, "calloc")              \
    KIND(REALLOC, "realloc")            \
    KIND(REALLOCARRAY, "reallocarray")  \
    KIND(ALIGNED_ALLOC, "aligned_alloc")\
    KIND(POSIX_MEMALIGN, "posix_memalign") \
    KIND(MEMALIGN, "memalign")          \
    KIND(VALLOC, "valloc")              \
    KIND(PVALLOC, "pvalloc")            \
    KIND(STRDUP, "strdup")              \
    KIND(STRNDUP, "strndup")            \
    KIND(MSPACEC, "mspacec")            \
    KIND(FREE, "free")                  \
    KIND(FREE_RUN, "free a run")        \
    KIND(MSPACER, "mspacer")            \
    KIND(MSPACER_WRONG, "mspacer, wrongly") \
    KIND(CHECK, "check")                \
    KIND(EXCHANGE, "exchange")          \
    KIND(ZERO, "zero sizes")            \
    KIND(IMPOSSIBLE, "impossible sizes")\
    KIND(TRIM, "malloc_trim")

enum op_kind {
#define OP_ENUM(name, text) OP_##name,
    OP_KINDS(OP_ENUM)
#undef OP_ENUM
    OP_NKINDS
};

/* Everything an op needs to know is drawn beforehand, so that a sequence with ops removed still means something. */
struct op {
    uint8_t kind;
    uint8_t align_shift;    /* alignment asked for: 1 << align_shift */
    uint16_t slot;          /* which of the thread's blocks */
    uint16_t arg;           /* run length, exchange place, which impossible size, how dirty */
    uint32_t size;
};

/* The source of ops: its sequence depends on seed and thread number only, never on what the allocator returned. */
struct op_source {
    uint64_t random;
    uint32_t phase_left;    /* ops until the mood changes */
    uint8_t phase;
    uint32_t one_size;      /* not 0: all plain blocks of this phase have this size, so that spans fill up and empty */
};

enum { OP_NSLOTS = 4096, OP_NEXCHANGE = 512 };

/* One thread of the random program, all of it in mapped memory. Owner only. */
struct worker {
    unsigned number;
    uint64_t done;          /* ops done: the op being done has this number */
    struct op op;           /* the op being done, for the report */
    uint64_t next_id;
    struct op_source source;
    struct block slots[OP_NSLOTS];
};

/* A block offered to whoever comes by. */
struct exchange {
    int lock;
    struct block block;
};

/* What the run takes for granted, set once by main. */
struct rules {
    bool lenient;           /* peers: 8-byte alignment will do, sizes of 0 as they like, no impossible sizes, no pvalloc */
    bool alone;             /* one thread: a freed block stays free until we allocate again */
};
extern struct rules op_rules;

/* Report a broken law and end the process. `law` is one word. Written by main, which knows the seed. */
__attribute__((noreturn, format(printf, 2, 3))) void broke(const char *law, const char *format, ...);

void op_source_init(struct op_source *s, uint64_t seed, unsigned thread);
struct op op_draw(struct op_source *s);
/* Do one op on the worker's slots and check all that can be checked at once; broke() if a law does not hold. */
void op_do(struct worker *w, struct exchange *exchange, const struct op *op);
/* Check the contents and usable size of all the worker's live blocks. */
void op_check_all(struct worker *w);
/* Check and free all the worker's blocks, and one exchange table if it is not NULL. */
void op_free_all(struct worker *w, struct exchange *exchange);
/* Put an op into words: `slot 17 = malloc(48)`. */
void op_describe(const struct op *op, char *text, size_t size);

#endif
