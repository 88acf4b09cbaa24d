/*
 * record: which sizes a real program asks for, and how long the blocks live: the food of replay.c.
 *     RECORD_TO=FILE LD_PRELOAD=$PWD/build/tests/bench/libbench_record.so PROGRAM [ARGS...]
 * At exit a line `size lifetime count` is written for each class of size and lifetime that occurred. A size is the largest of its
 * class: steps of 16 bytes up to 1 KiB, then eight classes per doubling. A lifetime counts the allocations between a block's
 * birth and its death; it is the least of its class, 0, 1, 2, 4, 8, ..., or `never` for what was alive at the end. A realloc is a
 * death and a birth.
 *
 * Malloc is glibc's own, under its inner names. A hash table of all living blocks, probed place by place, knows their births;
 * aligned ones are neither in it nor counted. One lock. A child of fork writes nothing; of programs that start each other, the
 * last to end writes.
 */
#include "bench.h"

#include <sched.h>

/* One place is 16 bytes, in memory once it is used; fewer blocks than that may live at a time. */
enum { NPLACES = 1 << 24, NSIZES = 64 + 8 * 32, NLIVES = 34, NEVER = NLIVES - 1 };

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t), __libc_free(void *);

struct living {
    uintptr_t address; /* 0: nobody lives here */
    uint32_t birth, class;
};

static struct living table[NPLACES];
static uint64_t counts[NSIZES][NLIVES];
static uint32_t nbirths;
static pid_t recorded; /* this process: not a child of fork */
static bool is_locked;

static void lock(void)
{
    while (__atomic_exchange_n(&is_locked, true, __ATOMIC_ACQUIRE)) sched_yield(); /* pairs with unlock's release */
}
static void unlock(void) { __atomic_store_n(&is_locked, false, __ATOMIC_RELEASE); }

/* Class of a size, and the largest size of a class. */
static uint32_t size_class(size_t size)
{
    if (size <= 1024) return (uint32_t)(size + (size == 0) + 15) / 16 - 1;
    uint32_t power = 63 - (uint32_t)__builtin_clzll(size - 1); /* 2^power < size <= 2^(power + 1), in eighths */
    return 64 + 8 * (power - 10) + (uint32_t)((size - 1) >> (power - 3)) % 8;
}
static size_t size_largest(uint32_t class)
{
    return class < 64 ? 16 * (class + 1) : (size_t)(9 + class % 8) << (7 + (class - 64) / 8);
}

static uint32_t home(uintptr_t address) { return (uint32_t)mix64(address) % NPLACES; }

static void *born(void *p, size_t size)
{
    if (p == NULL) return NULL;
    lock();
    uint32_t i = home((uintptr_t)p);
    while (table[i].address != 0) i = (i + 1) % NPLACES;
    table[i] = (struct living){(uintptr_t)p, nbirths++, size_class(size)};
    unlock();
    return p;
}

static void dead(void *p)
{
    if (p == NULL) return;
    lock();
    uint32_t i = home((uintptr_t)p), gap;
    while (table[i].address != 0 && table[i].address != (uintptr_t)p) i = (i + 1) % NPLACES;
    if (table[i].address != 0) {
        uint32_t age = nbirths - table[i].birth - 1;
        counts[table[i].class][age == 0 ? 0 : 32 - __builtin_clz(age)]++;
        table[gap = i].address = 0;
        /* close the gap: whoever stands behind it and is at home in it or before it moves up */
        for (i = (i + 1) % NPLACES; table[i].address != 0; i = (i + 1) % NPLACES) {
            if ((i - home(table[i].address)) % NPLACES < (i - gap) % NPLACES) continue;
            table[gap] = table[i];
            table[gap = i].address = 0;
        }
    }
    unlock();
}

void *malloc(size_t size) { return born(__libc_malloc(size), size); }

void *calloc(size_t n, size_t size) { return born(__libc_calloc(n, size), n * size); }

void *realloc(void *old, size_t size)
{
    dead(old); /* before another thread may get the address */
    return born(__libc_realloc(old, size), size);
}

void free(void *p)
{
    dead(p);
    __libc_free(p);
}

__attribute__((constructor)) static void begin(void) { recorded = getpid(); }

__attribute__((destructor)) static void write_down(void)
{
    const char *name = getenv("RECORD_TO");
    if (name == NULL || recorded != getpid()) return;
    lock();
    for (uint32_t i = 0; i < NPLACES; i++) {
        if (table[i].address != 0) counts[table[i].class][NEVER]++;
    }
    unlock(); /* other destructors are still to come, and free */
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    require(fd >= 0, "cannot write %s\n", name);
    for (uint32_t s = 0; s < NSIZES; s++) {
        for (uint32_t k = 0; k < NLIVES; k++) {
            if (counts[s][k] == 0) continue;
            char line[64], lifetime[16] = "never"; /* no dprintf: it allocates */
            if (k != NEVER) snprintf(lifetime, sizeof lifetime, "%u", k == 0 ? 0 : 1u << (k - 1));
            int n = snprintf(line, sizeof line, "%zu %s %llu\n", size_largest(s), lifetime, (unsigned long long)counts[s][k]);
            require(write(fd, line, (size_t)n) == n, "cannot write %s\n", name);
        }
    }
    close(fd);
}
