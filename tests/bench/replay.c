/*
 * replay: what a real program asked for. record.c has counted its allocations by size and lifetime; here they happen again, each
 * as often as it did there, in random order. FILE is replay.txt, beside this source, if there is none: python3, reading and
 * writing JSON.
 *     replay [FILE|-] [rounds = 25] [seed = 1]
 * The file has lines `size lifetime count`, see record.c, and comments after #. A line stands for a class: its sizes, in steps of
 * 8, are as likely as each other, and so are its lifetimes, from `lifetime` to twice that. A block of lifetime t is freed when t
 * others have been allocated after it. Blocks wait for their death in a wheel of lists threaded through the blocks; those with
 * 65,536 or more to wait, or with `never`, in one list that goes at the end of the round. One op is one malloc and one free.
 */
#include "bench.h"

enum { NFILE_MAX = 1 << 16, NLINES_MAX = 1 << 12, NWHEEL = 1 << 16 };

struct line {
    uint32_t size, nsteps, lifetime, count; /* sizes: size, size - 8, ..., nsteps of them */
};
struct event {
    uint16_t line, part; /* part: where in the line's class */
};
struct dying {
    struct dying *next;
};

static char text[NFILE_MAX];
static struct line lines[NLINES_MAX];
static uint32_t nlines, nevents;
static struct event *events;
static struct dying *wheel[NWHEEL], *old; /* wheel[t % NWHEEL]: blocks that die at op t */

static void lines_read(const char *name)
{
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text) : -1;
    require(n > 0 && n < NFILE_MAX, "cannot read %s, or it has %d bytes and more\n", name, NFILE_MAX);
    for (char *at = text, *end; *at != '\0'; at = end + (*end == '\n')) {
        end = at + strcspn(at, "\n");
        if (*at == '#' || *at == '\n') continue;
        require(nlines < NLINES_MAX, "%s: %d lines and more\n", name, NLINES_MAX);
        struct line *l = &lines[nlines++];
        l->size = (uint32_t)strtoul(at, &at, 10);
        uint32_t width = l->size <= 1024 ? 16 : UINT32_C(1) << (28 - __builtin_clz(l->size - 1)); /* an eighth of a doubling */
        l->nsteps = width / 8;
        bool is_never = strncmp(at, " never ", 7) == 0;
        l->lifetime = is_never ? NWHEEL : (uint32_t)strtoul(at, &at, 10);
        l->count = (uint32_t)strtoul(at + (is_never ? 7 : 0), NULL, 10);
        require(l->size >= 16 && l->count > 0, "%s: line `%.*s` is not size, lifetime, count\n", name, (int)(end - at), at);
        nevents += l->count;
    }
}

static void events_draw(uint64_t random)
{
    events = map_zeroed(nevents * sizeof *events);
    for (uint32_t k = 0, i = 0; k < nlines; k++) {
        for (uint32_t n = lines[k].count; n > 0; n--) events[i++] = (struct event){(uint16_t)k, (uint16_t)random_next(&random)};
    }
    for (uint32_t i = nevents - 1; i > 0; i--) { /* Fisher and Yates */
        uint32_t k = random_below(&random, i + 1);
        struct event swapped = events[i];
        events[i] = events[k];
        events[k] = swapped;
    }
}

static void list_free(struct dying **list)
{
    for (struct dying *d = *list, *next; d != NULL; d = next) {
        next = d->next;
        free(d);
    }
    *list = NULL;
}

static void replay(void)
{
    for (uint32_t i = 0; i < nevents; i++) {
        const struct line *l = &lines[events[i].line];
        uint32_t part = events[i].part, size = l->size - 8 * (part % l->nsteps);
        uint32_t lifetime = l->lifetime + (uint32_t)(((uint64_t)l->lifetime * part) >> 16);
        struct dying *born = malloc(size), **list = l->lifetime < NWHEEL ? &wheel[(i + lifetime) % NWHEEL] : &old;
        bench_touch(born, size);
        born->next = *list;
        *list = born;
        list_free(&wheel[i % NWHEEL]);
    }
    for (uint32_t i = 0; i < NWHEEL; i++) list_free(&wheel[(nevents + i) % NWHEEL]);
    list_free(&old);
}

int main(int argc, char **argv)
{
    long nrounds = bench_argument(argc, argv, 2, 25);
    lines_read(argc > 1 && strcmp(argv[1], "-") != 0 ? argv[1] : REPLAY_FILE);
    events_draw((uint64_t)bench_argument(argc, argv, 3, 1));
    uint64_t start = now_ns();
    for (long i = 0; i < nrounds; i++) replay();
    bench_report("replay", now_ns() - start, (uint64_t)nrounds * nevents);
    return 0;
}
