/* machine.c: the hooks that the compiler puts before every access of the core, threads as stacks, store buffers, and states. */
#include "machine.h"
#include "heap/heap.h"
#include "os/sys.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

/* From here up nothing is shared: our stacks, and whatever the kernel places. The program is linked without PIE, and a core that
 * believes in ThreadSanitizer has its range at 256 GiB. */
static const uintptr_t PRIVATE = (uintptr_t)1 << 44;

enum { STACK = 64 << 10, BUFFER_MAX = 12, NTABLE = 1 << 17, NLOCKS = 8, LOG_MAX = 1 << 19, STALE = 2 << 10 };

typedef uint64_t __attribute__((may_alias)) any64; /* a word, whatever it is a part of */

enum kind { READ, WRITE, LOCKED };
enum status { READY, WAITING, OVER };

struct store {
    uintptr_t address;
    uint32_t size;
    uint64_t new, old; /* old: while its thread runs */
};

struct context {
    char *sp;
    enum status status;
    enum kind next;   /* what it is about to do */
    uintptr_t place;  /* and where */
    uintptr_t waits_for;
    uint32_t ticket;  /* its turn among those who wait */
    uint32_t held;    /* locks */
    uint32_t nstores, nopen; /* the buffer; of the last few the value is not known yet */
    struct thread own;
    struct store stores[BUFFER_MAX];
};

struct word {
    uintptr_t address;
    uint64_t base; /* when the search began */
    uint8_t touched_by, written_by, locks;
    bool is_known, is_found, is_written;
};

static enum { OFF, ALONE, SCHEDULED } mode;
static bool has_buffers, all_stores_matter;
static struct context contexts[NTHREADS], *me;
static struct thread homes[NTHREADS + 1]; /* threads' own variables before the search begins; HOME's always */
static void (*const *acts)(void);
static char *home_sp;
static struct word table[NTABLE];
static struct word *written[NTABLE / 4];
static unsigned nwritten, nfound, nknown;
static uintptr_t locks[NLOCKS];
static struct change {
    uintptr_t address;
    uint64_t before;
} undo_log[LOG_MAX];
static unsigned nlogged;

/* memcpy is the core's, and watched. */
static void copy(void *to, const void *from, size_t n)
{
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
}

static void clear(void *at, size_t n)
{
    __asm__ volatile("rep stosb" : "+D"(at), "+c"(n) : "a"(0) : "memory");
}

/* --- words --- */

static struct word *word_at(uintptr_t address)
{
    address &= ~(uintptr_t)7;
    for (size_t i = address * 0x9E3779B97F4A7C15 >> 47;; i = (i + 1) % NTABLE) {
        if (table[i].address == address) return &table[i];
        if (table[i].address) continue;
        table[i] = (struct word){.address = address, .locks = UINT8_MAX};
        return &table[i];
    }
}

/* What HOME changes between two steps is undone, and no part of the state. */
static void note_alone(uintptr_t address)
{
    if (nlogged == LOG_MAX) abort();
    undo_log[nlogged++] = (struct change){address, *(any64 *)address};
}

static void note(struct word *word)
{
    if (word->is_written) return;
    word->is_written = true;
    word->base = *(any64 *)word->address;
    written[nwritten++] = word;
    if (nwritten == NTABLE / 4) abort();
}

static void learn(struct word *word, enum kind kind)
{
    unsigned bit = 1U << (me - contexts);
    word->touched_by |= (uint8_t)bit;
    if (kind != READ) word->written_by |= (uint8_t)bit;
    word->locks &= (uint8_t)me->held;
    bool matters = word->written_by && (word->touched_by & (word->touched_by - 1)) && !word->locks;
    if (!matters || word->is_known || word->is_found) return;
    word->is_found = true;
    nfound++;
}

unsigned machine_nfound(void) { return nfound; }
unsigned machine_nknown(void) { return nknown; }

void machine_learn(void)
{
    nfound = 0;
    for (size_t i = 0; i < NTABLE; i++) {
        if (!table[i].is_found) continue;
        table[i].is_found = false;
        table[i].is_known = true;
        nknown++;
    }
}

void machine_print_known(char *text, size_t n)
{
    size_t at = 0;
    text[0] = 0;
    for (size_t i = 0; i < NTABLE && at + 20 < n; i++)
        if (table[i].is_known) at += (size_t)snprintf(text + at, n - at, "%s%zx", at ? "," : "", (size_t)table[i].address);
}

const char *machine_read_known(const char *text)
{
    for (;; text++) {
        char *end;
        uintptr_t address = strtoul(text, &end, 16);
        if (end != text) word_at(address)->is_known = true, nknown++;
        text = end;
        if (*text != ',') return text;
    }
}

/* --- stores and their buffers: a thread's own are in memory while it runs, and only then --- */

static uint64_t get(uintptr_t address, size_t size)
{
    uint64_t value = 0;
    copy(&value, (void *)address, size);
    return value;
}

static void put(uintptr_t address, size_t size, uint64_t value) { copy((void *)address, &value, size); }

static void apply(struct context *of)
{
    for (struct store *store = of->stores; store < of->stores + of->nstores; store++) {
        store->old = get(store->address, store->size);
        put(store->address, store->size, store->new);
    }
}

/* The hook comes before the store; by the next one it is there. */
static void close_stores(struct context *of)
{
    for (; of->nopen; of->nopen--) {
        struct store *store = &of->stores[of->nstores - of->nopen];
        store->new = get(store->address, store->size);
    }
}

static void undo(struct context *of)
{
    close_stores(of);
    for (unsigned i = of->nstores; i--;) put(of->stores[i].address, of->stores[i].size, of->stores[i].old);
}

static void buffer(uintptr_t address, size_t size)
{
    if (me->nstores == BUFFER_MAX) abort();
    me->stores[me->nstores++] = (struct store){address, (uint32_t)size, 0, get(address, size)};
    me->nopen++;
}

static bool is_buffered(uintptr_t address, size_t size)
{
    for (unsigned i = 0; i < me->nstores; i++)
        if (me->stores[i].address == address && me->stores[i].size >= size) return true;
    return false;
}

static void out(struct context *of)
{
    put(of->stores[0].address, of->stores[0].size, of->stores[0].new);
    memmove(of->stores, of->stores + 1, --of->nstores * sizeof *of->stores);
}

/* --- threads --- */

void model_switch(char **from, char *to);
__asm__(".text\n.globl model_switch\n.type model_switch, @function\nmodel_switch:\n"
        "pushq %rbp\npushq %rbx\npushq %r12\npushq %r13\npushq %r14\npushq %r15\n"
        "movq %rsp, (%rdi)\nmovq %rsi, %rsp\n"
        "popq %r15\npopq %r14\npopq %r13\npopq %r12\npopq %rbx\npopq %rbp\nret\n"
        ".size model_switch, . - model_switch");

static char *stack_top(unsigned i) { return (char *)(2 * PRIVATE + (i + 1) * 2 * STACK); }

static void pause_me(enum kind next, uintptr_t place)
{
    me->next = next;
    me->place = place;
    model_switch(&me->sp, home_sp);
}

static void live(void)
{
    acts[me - contexts]();
    me->status = OVER;
    pause_me(READ, 0);
}

static void make(unsigned i)
{
    struct context *context = &contexts[i];
    *context = (struct context){.status = acts[i] ? READY : OVER, .own = homes[i]};
    void *low = stack_top(i) - STACK;
    if (mmap(low, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != low) abort();
    void **sp = (void **)(void *)stack_top(i);
    *(sp -= 2) = (void *)live;
    context->sp = (char *)(sp - 6);
}

void machine_set_buffers(bool buffers) { has_buffers = buffers; }

void machine_begin(void (*const run[NTHREADS])(void), bool all_stores)
{
    acts = run;
    all_stores_matter = all_stores;
    mode = ALONE;
    for (unsigned i = 0; i < NTHREADS; i++) make(i);
}

bool machine_may(unsigned event)
{
    if (event >= NTHREADS) return contexts[event - NTHREADS].nstores != 0;
    const struct context *of = &contexts[event];
    return of->status == READY && (of->next != LOCKED || of->nstores == 0);
}

void machine_do(unsigned event)
{
    if (event >= NTHREADS) return out(&contexts[event - NTHREADS]);
    struct thread home = thread;
    me = &contexts[event];
    apply(me);
    thread = me->own;
    mode = SCHEDULED;
    clear(me->sp - STALE, STALE); /* or it shows in frames to come */
    model_switch(&home_sp, me->sp);
    mode = ALONE;
    me->own = thread;
    thread = home;
    undo(me);
}

bool machine_is_over(void)
{
    for (unsigned i = 0; i < NTHREADS; i++)
        if (contexts[i].status != OVER || contexts[i].nstores) return false;
    return true;
}

uintptr_t machine_place(unsigned i) { return contexts[i].place; }
bool machine_waits(unsigned i) { return contexts[i].status == WAITING; }

void as(unsigned i, void (*act)(void))
{
    struct thread home = thread, *own = mode == OFF ? &homes[i] : &contexts[i].own;
    thread = *own;
    act();
    *own = thread;
    thread = home;
}

/* --- states --- */

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 32)) * 0xD6E8FEB86659FD93;
    z = (z ^ (z >> 29)) * 0xBF58476D1CE4E5B9;
    return z ^ (z >> 32);
}

static uint64_t hash_bytes(uint64_t hash, const void *from, size_t n)
{
    for (const any64 *at = from; n >= 8; at++, n -= 8) {
        hash = (hash ^ *at) * 0x9E3779B97F4A7C15;
        hash ^= hash >> 29;
    }
    return hash;
}

/* Words at their base value add nothing, so that it does not matter when one is first written. */
uint64_t machine_hash(void)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < nwritten; i++) {
        uint64_t value = *(any64 *)written[i]->address;
        if (value != written[i]->base) sum += mix(value ^ mix(written[i]->address));
    }
    for (unsigned i = 0; i < NTHREADS; i++) {
        const struct context *of = &contexts[i];
        uint64_t hash = mix(i + 1), words[] = {of->status, of->next, of->waits_for, of->ticket, of->nstores, (uintptr_t)of->sp};
        hash = hash_bytes(hash, words, sizeof words);
        for (unsigned k = 0; k < of->nstores; k++) {
            uint64_t store[] = {of->stores[k].address, of->stores[k].size, of->stores[k].new};
            hash = hash_bytes(hash, store, sizeof store);
        }
        if (of->status != OVER) hash = hash_bytes(hash, of->sp, (size_t)(stack_top(i) - of->sp));
        struct thread own = of->own;
        sum += mix(hash_bytes(hash, &own, sizeof own));
    }
    return sum ? sum : 1;
}

void *machine_save(void)
{
    size_t nstack = 0;
    for (unsigned i = 0; i < NTHREADS; i++) nstack += (size_t)(stack_top(i) - contexts[i].sp);
    char *saved = malloc(8 + nwritten * 8 + sizeof contexts + nstack), *at = saved;
    if (!saved) abort();
    uint64_t n = nwritten;
    copy(at, &n, 8), at += 8;
    for (unsigned i = 0; i < nwritten; i++, at += 8) *(any64 *)(void *)at = *(any64 *)written[i]->address;
    copy(at, contexts, sizeof contexts), at += sizeof contexts;
    for (unsigned i = 0; i < NTHREADS; i++) {
        size_t size = (size_t)(stack_top(i) - contexts[i].sp);
        copy(at, contexts[i].sp, size), at += size;
    }
    return saved;
}

void machine_restore(const void *saved)
{
    const char *at = saved;
    uint64_t n = *(const any64 *)saved;
    at += 8;
    while (nlogged) *(any64 *)undo_log[nlogged - 1].address = undo_log[nlogged - 1].before, nlogged--;
    for (unsigned i = 0; i < n; i++, at += 8) *(any64 *)written[i]->address = *(const any64 *)(const void *)at;
    for (unsigned i = (unsigned)n; i < nwritten; i++) *(any64 *)written[i]->address = written[i]->base;
    copy(contexts, at, sizeof contexts), at += sizeof contexts;
    for (unsigned i = 0; i < NTHREADS; i++) {
        size_t size = (size_t)(stack_top(i) - contexts[i].sp);
        copy(contexts[i].sp, at, size), at += size;
    }
}

/* --- accesses --- */

static void touch_word(uintptr_t address, size_t size, enum kind kind, uintptr_t place)
{
    if (mode == ALONE) return note_alone(address & ~(uintptr_t)7);
    struct word *word = word_at(address);
    learn(word, kind);
    bool matters = word->is_known || (all_stores_matter && kind != READ);
    if (kind == READ && matters && !is_buffered(address, size)) pause_me(kind, place);
    if (kind == WRITE && matters && !has_buffers) pause_me(kind, place);
    if (kind == LOCKED && (matters || me->nstores)) pause_me(kind, place);
    if (kind != READ) note(word);
    if (kind == WRITE && matters && has_buffers) buffer(address, size);
}

/* What our own frames have left below shows in the padding of frames to come; and is not the same the first time that a word is
 * written. */
static inline __attribute__((always_inline)) void wipe(void)
{
    any64 *sp;
    __asm__ volatile("movq %%rsp, %0" : "=r"(sp));
    for (int i = 1; i <= 48; i++) __asm__ volatile("movq $0, %0" : "=m"(sp[-i]));
}

static __attribute__((noinline)) void touch_shared(uintptr_t address, size_t size, enum kind kind, void *place)
{
    uintptr_t end = address + size, next;
    if (mode == SCHEDULED) {
        close_stores(me);
        /* a full buffer: waits until it is empty */
        if (kind == WRITE && me->nstores + 3 > BUFFER_MAX) pause_me(LOCKED, (uintptr_t)place);
    }
    for (; address < end; address = next) {
        next = min_size((address | 7) + 1, end);
        touch_word(address, next - address, kind, (uintptr_t)place);
    }
    if (mode == SCHEDULED) wipe();
}

static inline void touch(const volatile void *at, size_t size, enum kind kind, void *place)
{
    if (mode == SCHEDULED || (mode == ALONE && kind != READ))
        if ((uintptr_t)at < PRIVATE) touch_shared((uintptr_t)at, size, kind, place);
}

void machine_touch(void *word, bool writes) { touch(word, 8, writes ? WRITE : READ, __builtin_return_address(0)); }

void machine_note(void *word)
{
    if (mode == ALONE) note_alone((uintptr_t)word & ~(uintptr_t)7);
    if (mode == SCHEDULED) note(word_at((uintptr_t)word));
}

/* A lock is what is changed from 0 to 1 by a strong compare-and-swap of 32 bits, or exchanged for a 2, and exchanged for a 0. */
static void track_lock(const volatile void *lock, bool is_taken)
{
    if (mode != SCHEDULED) return;
    unsigned i = 0;
    while (locks[i] && locks[i] != (uintptr_t)lock)
        if (++i == NLOCKS) abort();
    locks[i] = (uintptr_t)lock;
    me->held = is_taken ? me->held | 1U << i : me->held & ~(1U << i);
}

/* --- what the compiler calls --- */

#define PLACE __builtin_return_address(0)
#define HOOK(name, ...) void name(__VA_ARGS__); void name(__VA_ARGS__)
#define HOOK_OF(type, name, ...) type name(__VA_ARGS__); type name(__VA_ARGS__)

HOOK(__tsan_init, void) {}
HOOK(__tsan_func_entry, void *place) { (void)place; }
HOOK(__tsan_func_exit, void) {}
HOOK(__tsan_atomic_signal_fence, int order) { (void)order; }
HOOK(__tsan_atomic_thread_fence, int order)
{
    static uint64_t nobodys;
    if (order == __ATOMIC_SEQ_CST) touch(&nobodys, 8, LOCKED, PLACE);
}
HOOK(__tsan_read_range, void *at, size_t size) { touch(at, size, READ, PLACE); }
HOOK(__tsan_write_range, void *at, size_t size) { touch(at, size, WRITE, PLACE); }

#define PLAIN(size)                                                                                                              \
    HOOK(__tsan_read##size, void *at) { touch(at, size, READ, PLACE); }                                                         \
    HOOK(__tsan_write##size, void *at) { touch(at, size, WRITE, PLACE); }                                                       \
    HOOK(__tsan_unaligned_read##size, void *at) { touch(at, size, READ, PLACE); }                                               \
    HOOK(__tsan_unaligned_write##size, void *at) { touch(at, size, WRITE, PLACE); }
PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)

/* x86: a load of any order is a plain one, so is a store that is not sequentially consistent; everything else is locked. */
#define CHANGE(bits, type, name, expression)                                                                                     \
    HOOK_OF(type, __tsan_atomic##bits##_##name, volatile type *at, type value, int order)                                       \
    {                                                                                                                            \
        touch(at, sizeof(type), LOCKED, PLACE);                                                                                  \
        (void)order;                                                                                                             \
        type before = *at;                                                                                                       \
        *at = (type)(expression);                                                                                                \
        if (bits == 32 && #name[0] == 'e' && (value == 0 || (value == 2 && !before))) track_lock(at, value);                     \
        return before;                                                                                                           \
    }
#define SWAP(bits, type, strength)                                                                                               \
    HOOK_OF(bool, __tsan_atomic##bits##_compare_exchange_##strength, volatile type *at, type *expected, type value, int order,   \
            int other)                                                                                                           \
    {                                                                                                                            \
        touch(at, sizeof(type), LOCKED, PLACE);                                                                                  \
        (void)order, (void)other;                                                                                                \
        type before = *at;                                                                                                       \
        bool is_done = before == *expected;                                                                                      \
        if (is_done) *at = value;                                                                                                \
        if (is_done && bits == 32 && #strength[0] == 's' && before == 0 && value == 1) track_lock(at, true);                     \
        *expected = before;                                                                                                      \
        return is_done;                                                                                                          \
    }
#define ATOMIC(bits, type)                                                                                                       \
    HOOK_OF(type, __tsan_atomic##bits##_load, const volatile type *at, int order)                                               \
    {                                                                                                                            \
        (void)order;                                                                                                             \
        touch(at, sizeof(type), READ, PLACE);                                                                                    \
        return *at;                                                                                                              \
    }                                                                                                                            \
    HOOK(__tsan_atomic##bits##_store, volatile type *at, type value, int order)                                                 \
    {                                                                                                                            \
        touch(at, sizeof(type), order == __ATOMIC_SEQ_CST ? LOCKED : WRITE, PLACE);                                              \
        *at = value;                                                                                                             \
    }                                                                                                                            \
    CHANGE(bits, type, exchange, value)                                                                                          \
    CHANGE(bits, type, fetch_add, before + value)                                                                                \
    CHANGE(bits, type, fetch_sub, before - value)                                                                                \
    CHANGE(bits, type, fetch_or, before | value)                                                                                 \
    CHANGE(bits, type, fetch_and, before & value)                                                                                \
    SWAP(bits, type, strong)                                                                                                     \
    SWAP(bits, type, weak)
ATOMIC(8, uint8_t)
ATOMIC(16, uint16_t)
ATOMIC(32, uint32_t)
ATOMIC(64, uint64_t)

/* --- what the linker puts in place of calls of the core --- */

HOOK_OF(void *, __wrap_memset, void *to, int value, size_t n)
{
    touch(to, n, WRITE, PLACE);
    for (size_t i = 0; i < n; i++) ((volatile char *)to)[i] = (char)value;
    return to;
}

HOOK_OF(void *, __wrap_memcpy, void *to, const void *from, size_t n)
{
    touch(from, n, READ, PLACE);
    touch(to, n, WRITE, PLACE);
    for (size_t i = 0; i < n; i++) ((volatile char *)to)[i] = ((const char *)from)[i];
    return to;
}

static long wait_for(uintptr_t word, int value, void *place)
{
    touch((void *)word, 4, LOCKED, place);
    if (*(int *)word != value) return -EAGAIN;
    if (mode == ALONE) broken("whoever is alone waits for a lock for ever");
    me->ticket = 1;
    for (unsigned i = 0; i < NTHREADS; i++)
        if (contexts[i].waits_for && contexts[i].ticket >= me->ticket) me->ticket = contexts[i].ticket + 1;
    me->waits_for = word;
    me->status = WAITING;
    pause_me(READ, (uintptr_t)place);
    return 0;
}

static long wake(uintptr_t word, void *place)
{
    touch((void *)word, 4, LOCKED, place);
    struct context *first = NULL;
    for (struct context *of = contexts; of < contexts + NTHREADS; of++)
        if (of->status == WAITING && of->waits_for == word && (!first || of->ticket < first->ticket)) first = of;
    if (!first) return 0;
    first->status = READY;
    first->waits_for = first->ticket = 0;
    return 1;
}

long __real_os_call(long number, long a, long b, long c, long d, long e, long f);
HOOK_OF(long, __wrap_os_call, long number, long a, long b, long c, long d, long e, long f)
{
    if (mode == OFF || number == SYS_write || number == SYS_getpid) return __real_os_call(number, a, b, c, d, e, f);
    if (number == SYS_futex)
        return (b & FUTEX_CMD_MASK) == FUTEX_WAIT ? wait_for((uintptr_t)a, (int)c, PLACE) : wake((uintptr_t)a, PLACE);
    if (number == SYS_madvise) return 0; /* as if: nobody here asks for a block that reads zero */
    broken("system call %ld: the scene was to prepare for it", number);
}
