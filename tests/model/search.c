/* search.c: every order of a scene's steps, each state once; what came of it; and blocks that are accounted for. */
#include "api/alloc.h"
#include "api/life.h"
#include "heap/heap.h"
#include "heap/large.h"
#include "machine.h"
#include "support.h"
#include "watch/watch.h"

#include <errno.h>
#include <setjmp.h>
#include <sys/wait.h>

enum {
    NBLOCKS = 256,
    DEPTH_MAX = 1 << 14,
    TEXT = 1 << 16,
    RECHECK = 64,
    SHORT_PASS = 1 << 13,
    DEFAULT_ONE_IN = 20,
    BUFFERED_ONE_IN = 50
};

static const struct scene *scene;
static enum { STEP, END, CHILD, STUCK } during;
static const char *const DURING[] = {"that step", "all is done", "a child of HOME's", "nobody can go on"};

/* --- blocks --- */

struct taken {
    char *block; /* NULL: none */
    size_t size;
    uint64_t serial, told; /* told: the serial, by a store that waits behind what was written into the block */
};
static struct taken blocks[NBLOCKS];
static uint64_t ntold_twice;

static uint64_t stamp_of(const void *block) { return (uintptr_t)block * 3 + 1; }
static uint64_t *last_word(const struct taken *of) { return (uint64_t *)(void *)(of->block + of->size - 8); }

static void set(struct taken *entry, char *block, size_t size)
{
    machine_note(&entry->block);
    machine_note(&entry->size);
    machine_note(&entry->serial);
    entry->block = block;
    entry->size = size;
    entry->serial += block != NULL;
}

/* What a vanished thread has taken is there for a child if the thread's stores are. */
static void tell(struct taken *entry)
{
    if (!scene->child) return;
    machine_touch(&entry->told, true);
    entry->told = entry->serial;
}

static bool counts(const struct taken *entry)
{
    return entry->block && (during != CHILD || entry->told == entry->serial);
}

static struct taken *find(const void *block)
{
    for (struct taken *entry = blocks; entry < blocks + NBLOCKS; entry++)
        if (block ? counts(entry) && entry->block == block : !entry->block) return entry;
    return NULL;
}

bool is_held(const void *block) { return block && find(block); }

/* Written to first, then accounted for, if it is still nobody's: in a child that was forked in between nobody has it. */
void *take(size_t size)
{
    char *block = alloc_malloc(size);
    if (!block) broken("malloc(%zu) is NULL", size);
    struct taken fresh = {.block = block, .size = size};
    uint64_t *words[] = {(uint64_t *)(void *)block, last_word(&fresh)};
    for (int i = 0; i < 2; i++) {
        machine_touch(words[i], true);
        *words[i] = stamp_of(block);
    }
    for (struct taken *other = blocks; other < blocks + NBLOCKS; other++)
        if (counts(other) && block < other->block + other->size && other->block < block + size)
            broken("%p, a block of %zu, is somebody's: %p, of %zu, is held", (void *)block, size, (void *)other->block,
                   other->size);
    struct taken *entry = find(NULL);
    require(entry != NULL, "a scene takes too many blocks\n");
    set(entry, block, size);
    tell(entry);
    return block;
}

void drop(void *block)
{
    struct taken *entry = find(block);
    if (!block || !entry) broken("the scene frees %p, which is not held", block);
    uint64_t *words[] = {block, last_word(entry)};
    for (int i = 0; i < 2; i++) {
        machine_touch(words[i], false);
        if (*words[i] != stamp_of(block)) broken("somebody wrote into %p, which is held", block);
    }
    set(entry, NULL, 0);
    alloc_free(block);
}

void drop_all(void)
{
    for (struct taken *entry = blocks; entry < blocks + NBLOCKS; entry++)
        if (counts(entry)) drop(entry->block);
}

void drop_again(void *block) { alloc_free(block); }
unsigned ntold(void) { return (unsigned)ntold_twice; }

void leave(void)
{
    heap_retire();
    purge_at_leisure();
}

void sound(void)
{
    size_t n = watch_verify();
    if (n) broken("%zu laws of the heap are broken", n);
}

void __wrap_crime_report(const char *entry, const struct evidence *evidence);
void __wrap_crime_report(const char *entry, const struct evidence *evidence)
{
    if (evidence->crime == CRIME_OVERWRITTEN) broken("%s tells of %p, which is not as free left it", entry, evidence->pointer);
    if (is_held(evidence->pointer))
        broken("%s tells of crime %d of %p, which is held", entry, (int)evidence->crime, evidence->pointer);
    machine_note(&ntold_twice);
    ntold_twice++;
}

/* --- what has been seen --- */

struct seen {
    uint64_t hash;
    double norders; /* ways from there to an end; less than 0: not known yet */
};
static struct seen *seen;
static size_t nseen, room;

static struct seen *look_up(uint64_t hash)
{
    size_t i = hash % room;
    while (seen[i].hash && seen[i].hash != hash) i = (i + 1) % room;
    return &seen[i];
}

static void make_room(void)
{
    if (nseen * 2 < room) return;
    struct seen *old = seen;
    size_t n = room;
    room = room ? room * 4 : 1 << 16;
    seen = calloc(room, sizeof *seen);
    require(seen != NULL, "no memory for %zu states\n", room);
    for (size_t i = 0; i < n; i++)
        if (old[i].hash) *look_up(old[i].hash) = old[i];
    free(old);
}

static void forget(void)
{
    nseen = room = 0;
    free(seen);
    seen = NULL;
}

/* --- the search --- */

struct frame {
    void *saved;
    uint64_t hash, first_child; /* of event `first` */
    double norders;
    unsigned event, next, first;
    uintptr_t place; /* where the event that is under way began */
};
static struct frame frames[DEPTH_MAX];
static unsigned depth, npasses;
static size_t nsteps, nends, nchildren;
static uint64_t one_in; /* so many states a child */
static sigjmp_buf on_broken;
static char why[256];

void broken(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    siglongjmp(on_broken, 1);
}

static void on_signal(int sig) { broken("signal %d (%s)", sig, strsignal(sig)); }

static void catch_signals(void)
{
    static char stack[64 << 10];
    stack_t other = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK | SA_NODEFER};
    sigaltstack(&other, NULL);
    const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGABRT, SIGFPE};
    for (int i = 0; i < 5; i++) sigaction(signals[i], &action, NULL);
}

static void check_end(void)
{
    during = END;
    nends++;
    scene->check();
}

static void fork_here(void)
{
    struct thread home = thread;
    during = CHILD;
    machine_note(&life.state);
    life.state = LIFE_NONE;
    scene->child();
    thread = home;
}

/* A state that is new: looked at, and kept to go on from. */
static void enter(uint64_t hash)
{
    require(depth < DEPTH_MAX, "an order of more than %d steps\n", DEPTH_MAX);
    make_room();
    *look_up(hash) = (struct seen){hash, -1};
    nseen++;
    frames[depth] = (struct frame){.saved = machine_save(), .hash = hash, .next = 0, .first = NEVENTS};
    struct frame *frame = &frames[depth++];
    if (scene->child && hash % one_in == 0) {
        nchildren++;
        fork_here();
        machine_restore(frame->saved);
    }
    during = STEP;
    unsigned event = 0;
    while (event < NEVENTS && !machine_may(event)) event++;
    if (event < NEVENTS) return;
    during = STUCK;
    if (!machine_is_over()) broken("deadlock");
    check_end();
    machine_restore(frame->saved);
    frame->norders = 1;
}

static void leave_frame(void)
{
    struct frame *frame = &frames[--depth];
    free(frame->saved);
    look_up(frame->hash)->norders = frame->norders;
    if (depth) frames[depth - 1].norders += frame->norders;
}

static void next_step(struct frame *frame)
{
    during = STEP;
    unsigned event = frame->event = frame->next++;
    frame->place = event < NTHREADS ? machine_place(event) : 0;
    machine_do(event);
    nsteps++;
    if (machine_nfound() && nseen < SHORT_PASS) broken("there is more that matters");
    uint64_t hash = machine_hash();
    if (frame->first == NEVENTS) frame->first = event, frame->first_child = hash;
    make_room();
    const struct seen *known = look_up(hash);
    if (!known->hash) return enter(hash);
    if (known->norders < 0) broken("a state leads back to itself: a loop that may have no end");
    frame->norders += known->norders;
}

/* That nothing of the state is forgotten: the same step from the same state leads to the same. */
static void recheck(struct frame *frame)
{
    if (frame->hash % RECHECK || frame->first == NEVENTS) return;
    machine_restore(frame->saved);
    machine_do(frame->first);
    require(machine_hash() == frame->first_child, "a step does not do twice the same: something of the state is not kept\n");
}

static void search(const void *base)
{
    machine_restore(base);
    forget();
    depth = 0;
    nsteps = nends = nchildren = 0;
    npasses++;
    make_room();
    enter(machine_hash());
    bool is_here = true;
    while (depth) {
        struct frame *frame = &frames[depth - 1];
        if (!is_here) machine_restore(frame->saved);
        while (frame->next < NEVENTS && !machine_may(frame->next)) frame->next++;
        is_here = frame->next < NEVENTS;
        if (is_here) {
            unsigned before = depth;
            next_step(frame);
            is_here = depth > before;
            continue;
        }
        recheck(frame);
        leave_frame();
    }
}

/* --- schedules, and telling --- */

static char *schedule; /* shared with the process that asked */
static bool is_replay;

/* Steps that led to where it broke, the one under way included; the last frame is a state that was reached. */
static unsigned count_events(void) { return depth - (depth && during != STEP && !is_replay); }

static void write_schedule(void)
{
    machine_print_known(schedule, TEXT / 2);
    char *at = schedule + strlen(schedule);
    *at++ = ':';
    for (unsigned i = 0; i < count_events() && at < schedule + TEXT - 2; i++)
        *at++ = (char)(frames[i].event < NTHREADS ? '0' + frames[i].event : 'a' + frames[i].event - NTHREADS);
    *at++ = "!EFD"[during];
    *at = '\0';
}

/* file:line of an access, by addr2line; or its address. */
static void name_place(uintptr_t place, char *name, size_t n)
{
    static struct {
        uintptr_t place;
        char name[64];
    } known[512];
    unsigned i = place % 512;
    if (known[i].place != place) {
        char command[256], exe[128] = "";
        known[i].place = place;
        snprintf(known[i].name, sizeof known[i].name, "%#zx", (size_t)place);
        if (readlink("/proc/self/exe", exe, sizeof exe - 1) < 0) exe[0] = '\0';
        snprintf(command, sizeof command, "addr2line -s -e '%s' %#zx 2>/dev/null", exe, (size_t)place - 1);
        FILE *pipe = popen(command, "r");
        if (pipe && fgets(known[i].name, sizeof known[i].name, pipe)) known[i].name[strcspn(known[i].name, " \n")] = '\0';
        if (pipe) pclose(pipe);
    }
    snprintf(name, n, "%s", place ? known[i].name : "(start)");
}

static void print_schedule(void)
{
    unsigned last = NEVENTS, n = count_events();
    for (unsigned i = 0; i < n; i++) {
        char name[64];
        unsigned event = frames[i].event;
        if (event >= NTHREADS) {
            printf("%s    %u: a store goes out", i ? "\n" : "", event - NTHREADS);
        } else {
            name_place(frames[i].place, name, sizeof name);
            if (event != last) printf("%s    %u:", i ? "\n" : "", event);
            printf(" %s", name);
        }
        last = event;
    }
    printf("\n    %s: %s\n", DURING[during], why);
}

static bool tell_broken(void)
{
    write_schedule();
    printf("%s: BROKEN after %u passes, %zu states, %zu steps: %s\n", scene->promise, npasses, nseen, nsteps, why);
    print_schedule();
    printf("    again: %s '%s'\n", scene->promise, schedule);
    return false;
}

/* One set of rules until nothing more is found to matter. False: broken, and told. */
static bool search_all(const void *base, bool has_buffers)
{
    machine_set_buffers(has_buffers);
    for (;;) {
        bool is_broken = sigsetjmp(on_broken, 1) != 0;
        if (!is_broken) search(base);
        if (!machine_nfound()) return is_broken ? tell_broken() : true;
        machine_learn();
    }
}

static void prepare(void)
{
    catch_signals();
    heap_secret = (uint64_t)1 << 63 | 0x123456789abcdef; /* the same in each process, so that a schedule is good for all */
    scene->set_up();
    machine_begin(scene->run, scene->child != NULL);
}

static bool play(bool has_buffers)
{
    prepare();
    void *base = machine_save();
    uint64_t first = machine_hash();
    bool is_small = scene->child && one_in > 1; /* stores wait in buffers at full size only: fifty times the states */
    for (int round = 0; round < 1 + (has_buffers && !is_small); round++) {
        if (round && scene->child) one_in = BUFFERED_ONE_IN;
        if (!search_all(base, round)) return false;
        printf("%s: kept%s: %u words, %u passes, the last of %zu states, %zu steps, %zu ends, %.3g orders", scene->promise,
               round ? ", with store buffers" : "", machine_nknown(), npasses, nseen, nsteps, nends, look_up(first)->norders);
        if (scene->child) printf(", %zu children", nchildren);
        printf("\n");
    }
    return true;
}

static void play_letter(char letter)
{
    unsigned event = (unsigned)(letter < 'a' ? letter - '0' : letter - 'a' + NTHREADS);
    during = letter == 'E' ? END : letter == 'F' ? CHILD : letter == 'D' ? STUCK : STEP;
    switch (letter) {
    case 'E': check_end(); break;
    case 'F': fork_here(); break;
    case 'D': broken("deadlock");
    case '!': break;
    default:
        require(event < NEVENTS && depth < DEPTH_MAX && machine_may(event), "step %u cannot be %c\n", depth, letter);
        frames[depth++] = (struct frame){.event = event, .place = event < NTHREADS ? machine_place(event) : 0};
        machine_do(event);
    }
}

/* One order, as it was told. */
static bool replay(const char *text)
{
    prepare();
    is_replay = true;
    const char *at = machine_read_known(text);
    require(*at++ == ':', "a schedule is addresses, a colon, and letters\n");
    machine_set_buffers(strpbrk(at, "abc") != NULL);
    if (sigsetjmp(on_broken, 1)) {
        printf("%s: BROKEN again: %s\n", scene->promise, why);
        print_schedule();
        return false;
    }
    while (*at) play_letter(*at++);
    printf("%s: not broken by this order\n", scene->promise);
    return true;
}

/* In a process of its own. Whether the promise is kept. */
static bool is_kept(const struct scene *of, const char *text, bool has_buffers)
{
    int status;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        scene = of;
        bool kept = text ? replay(text) : play(has_buffers);
        fflush(stdout);
        _exit(kept ? 0 : 99);
    }
    require(waitpid(child, &status, 0) == child, "waitpid: errno %d\n", errno);
    require(status == 0 || (WIFEXITED(status) && WEXITSTATUS(status) == 99), "%s: the model itself failed, status %#x\n",
            of->promise, status);
    return status == 0;
}

static const char USAGE[] = "usage: PROGRAM [--sc] [--long] [--broken] [SCENE [SCHEDULE]]\n"
                            "  --sc      no store buffers\n"
                            "  --long    at full size only\n"
                            "  --broken  the scene must be found broken, and the schedule found must break it again\n"
                            "With a SCHEDULE, as told by a scene that was broken: that order only.\n";

int model_main(const struct scene *scenes, int argc, char **argv)
{
    bool has_buffers = true, wants_broken = false;
    unsigned nplayed = 0, nbroken = 0;
    for (argc--, argv++; argc && argv[0][0] == '-'; argc--, argv++) {
        if (strcmp(argv[0], "--sc") == 0) has_buffers = false;
        else if (strcmp(argv[0], "--broken") == 0) wants_broken = true;
        else if (strcmp(argv[0], "--long") == 0 && scaled(1000) < 1000)
            return printf("skipped: at full size only, with MSPACE_TEST_SCALE=1\n"), 77;
        else if (strcmp(argv[0], "--long") == 0) continue;
        else return printf("%s", USAGE), strcmp(argv[0], "--help") != 0;
    }
    one_in = wants_broken || scaled(1000) >= 1000 ? 1 : DEFAULT_ONE_IN;
    schedule = map_zeroed(TEXT);
    for (const struct scene *of = scenes; of->promise; of++) {
        if (argc ? strcmp(argv[0], of->promise) != 0 : of->is_by_name || (of->is_big && scaled(1000) < 1000)) continue;
        nplayed++;
        nbroken += !is_kept(of, argc > 1 ? argv[1] : NULL, has_buffers);
        if (wants_broken && schedule[0]) require(!is_kept(of, schedule, has_buffers), "the schedule does not break it again\n");
    }
    require(nplayed != 0, "no such scene\n");
    if (wants_broken) require(nbroken != 0, "not broken, though the source was\n");
    return wants_broken ? 0 : nbroken != 0;
}
