/*
 * shrink.c: delta debugging (Zeller and Hildebrandt 2002) over the list of ops.
 *
 * Take out runs of ops, half of the list first, then quarters, down to single ops; what still breaks the same law without them is
 * the new list. Any subsequence of a run is a run (ops.c), so every trial is valid. Each trial is a forked child of a process
 * that has not allocated anything itself: every child starts from the same heap. Bounded by time: a shorter list now is worth
 * more than the shortest.
 */
#include "shrink.h"

#include "support.h"

#include <sys/wait.h>

enum { SHRINK_SECONDS = 60, PRINTED_MAX = 64 };

static struct {
    char law[32];       /* written by the child: the law it broke, or empty */
} *verdict;             /* shared with the children */

void shrink_replay_broke(const char *law)
{
    snprintf(verdict->law, sizeof verdict->law, "%s", law);
    _exit(1);
}

/* Do these ops break the law? */
static bool trial(const struct op *ops, const uint32_t *kept, size_t nkept, const char *law, shrink_replay *replay)
{
    verdict->law[0] = '\0';
    pid_t child = fork();
    if (child == 0) {
        replay(ops, kept, nkept);
        _exit(0);
    }
    require(child > 0, "shrink: cannot fork\n");
    int status = 0;
    while (waitpid(child, &status, 0) < 0) continue;
    return strcmp(verdict->law, law) == 0;
}

/* kept[] without the `n` entries from `at`, into `out`. */
static size_t without(const uint32_t *kept, size_t nkept, size_t at, size_t n, uint32_t *out)
{
    if (n > nkept - at) n = nkept - at;
    memcpy(out, kept, at * sizeof *kept);
    memcpy(out + at, kept + at + n, (nkept - at - n) * sizeof *kept);
    return nkept - n;
}

static void print(uint64_t seed, const struct op *ops, const uint32_t *kept, size_t nkept, bool finished)
{
    char text[128];
    say("property: %s failing sequence, %zu ops of seed %llu:\n", finished ? "minimal" : "shortest found", nkept,
        (unsigned long long)seed);
    for (size_t i = 0; i < nkept && i < PRINTED_MAX; i++) {
        op_describe(&ops[kept[i]], text, sizeof text);
        say("  op %u, %s\n", kept[i], text);
    }
    if (nkept > PRINTED_MAX) say("  ... and %zu more\n", nkept - PRINTED_MAX);
}

int shrink(uint64_t seed, uint64_t nops, const char *law, shrink_replay *replay)
{
    struct op *ops = map_zeroed(nops * sizeof *ops);
    uint32_t *kept = map_zeroed(nops * sizeof *kept), *fewer = map_zeroed(nops * sizeof *fewer);
    struct op_source source;
    verdict = map_zeroed(sizeof *verdict);
    op_source_init(&source, seed, 0);
    for (size_t i = 0; i < nops; i++) { ops[i] = op_draw(&source); kept[i] = (uint32_t)i; }

    size_t nkept = nops;
    if (!trial(ops, kept, nkept, law, replay)) {
        say("property: not shrunk: in a fresh process the same %zu ops end with %s\n", nkept,
            verdict->law[0] != '\0' ? verdict->law : "no law broken");
        return 1;
    }
    uint64_t deadline = now_ns() + (uint64_t)SHRINK_SECONDS * 1000000000u;
    size_t run = (nkept + 1) / 2;
    while (run >= 1 && now_ns() < deadline) {
        bool any = false;
        for (size_t at = 0; at < nkept && now_ns() < deadline;) {
            size_t nfewer = without(kept, nkept, at, run, fewer);
            if (nfewer > 0 && trial(ops, fewer, nfewer, law, replay)) {
                uint32_t *swap = kept;
                kept = fewer;
                fewer = swap;
                nkept = nfewer;
                any = true;
            } else {
                at += run;
            }
        }
        if (run == 1 && !any) break; /* no single op can go: minimal */
        run = run > 1 ? run / 2 : 1;
        if (run > nkept) run = nkept;
    }
    print(seed, ops, kept, nkept, now_ns() < deadline);
    return 1;
}
