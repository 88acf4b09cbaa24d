/* verdicts.c: how often a verdict is wrong, and how often a real difference is seen, on figures that are like run times: a floor,
 * noise to the right of it, now and then an outlier.
 *     verdicts [seed = 1]      the seed is fixed, so that the test says the same every day */
#include "support.h"

#include "stats.h"

#include <math.h>

enum { NTRIES = 800, NRUNS_MAX = 40 };

static uint64_t state;

static double uniform(void) { return ((double)(random_next(&state) >> 11) + 0.5) / 9007199254740992.0; }

/* Median about 1.015, quartiles about 1.5 % apart, 2 % of outliers up to half as long again. */
static double run_time(void)
{
    double time = 1 - 0.02 * log(uniform()) * uniform();
    return uniform() < 0.02 ? time * (1 + uniform() / 2) : time;
}

static void draw(double *figures, size_t n, double factor)
{
    for (size_t i = 0; i < n; i++) figures[i] = factor * run_time();
}

/* The share of tries in which b, `factor` times a, is called different. */
static double called(size_t nruns, double factor)
{
    double a[NRUNS_MAX], b[NRUNS_MAX];
    int n = 0;
    for (int i = 0; i < NTRIES; i++) {
        draw(a, nruns, 1);
        draw(b, nruns, factor);
        n += stats_judge(b, nruns, a, nruns, 0.01, 0) != VERDICT_SAME;
    }
    return (double)n / NTRIES;
}

static void expect(const char *what, double share, double least, double most)
{
    say("%-56s %.4f, %.2f to %.2f\n", what, share, least, most);
    require(share >= least && share <= most, "%s\n", what);
}

/* The 95 % interval of a ratio that is 1. Ten runs are few for a bootstrap: it may be a little short. */
static double covered(size_t nruns)
{
    double a[NRUNS_MAX], b[NRUNS_MAX];
    uint64_t random = 7;
    int n = 0, tries = NTRIES / 4;
    for (int i = 0; i < tries; i++) {
        draw(a, nruns, 1);
        draw(b, nruns, 1);
        struct interval sure = stats_bootstrap(b, nruns, a, nruns, &random);
        n += sure.low <= 1 && sure.high >= 1;
    }
    return (double)n / tries;
}

static void exact(void)
{
    double a[] = {1, 2, 3, 4, 5}, b[] = {11, 12, 13, 14, 15}, median = stats_median(b, 5);
    require(median == 13 && stats_median(b, 4) == 12.5, "medians\n");
    require(stats_ranks(a, 4, b, 4).high == INFINITY, "four runs say nothing at 99 %%\n");
    /* Of 252 arrangements the two most extreme are 0.8 %: the one pair at either end is cut off, and no more. */
    struct interval sure = stats_ranks(a, 5, b, 5);
    require(sure.low == 1.0 / 15 && sure.high == 5.0 / 11, "ranks: %f to %f\n", sure.low, sure.high);
    require(stats_judge(a, 5, b, 5, 0.01, 0) == VERDICT_LESS && stats_judge(b, 5, a, 5, 0.01, 0) == VERDICT_MORE, "verdicts\n");
    require(stats_judge(a, 4, b, 4, 0.01, 0) == VERDICT_NONE, "too few\n");
    require(stats_judge(a, 5, b, 5, 0.01, 11) == VERDICT_SAME, "a difference of less than asked for\n");
}

int main(int argc, char **argv)
{
    state = seed_choose("verdicts", argc > 1 ? argv[1] : "1");
    exact();
    expect("10 runs, no difference: called different", called(10, 1), 0, 0.01);
    expect("40 runs, no difference: called different", called(40, 1), 0, 0.01);
    expect("10 runs, 5 % slower: called different", called(10, 1.05), 0.9, 1);
    expect("40 runs, 2 % slower: called different", called(40, 1.02), 0.9, 1);
    expect("40 runs, half a percent slower: called different", called(40, 1.005), 0, 0.05);
    expect("10 runs: the 95 % interval holds the truth", covered(10), 0.91, 1);
    expect("40 runs: the 95 % interval holds the truth", covered(40), 0.92, 1);
    return 0;
}
