/* stats.h - what may be said of two sets of measurements: medians, a ratio and how sure it is, a verdict.
 *
 * Run times are skewed to the right and have outliers, so nothing here takes a mean or assumes a normal distribution.
 * Figures are positive; arrays are not changed. No state but the random generator's, which is the caller's. */
#ifndef MEASURE_STATS_H
#define MEASURE_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    STATS_RUNS_MIN = 5,   /* fewer can never exclude anything at 99 % */
    STATS_RUNS_MAX = 400, /* of each side: the numbers of ways to arrange 2 * 400 are below 10^308 */
};

struct interval {
    double low, high;
};

double stats_median(const double *figures, size_t n);

/* The distance between the quartiles, as a share of the median. */
double stats_spread(const double *figures, size_t n);

/* Two quantiles of n figures, as an interval. */
struct interval stats_quantiles(const double *figures, size_t n, double low, double high);

/* 95 % interval of median(a) / median(b): percentile bootstrap (Efron 1979), each side resampled on its own. */
struct interval stats_bootstrap(const double *a, size_t na, const double *b, size_t nb, uint64_t *random);

/* 99 % interval of the ratio a / b by ranks: all ratios of pairs, less those that the exact distribution of the Mann-Whitney
 * statistic cuts off at either end (Hodges, Lehmann 1963). It holds its level whatever the distribution, which a bootstrap of ten
 * runs does not. With fewer than STATS_RUNS_MIN runs it is everything. */
struct interval stats_ranks(const double *a, size_t na, const double *b, size_t nb);

/* A difference counts from here on: time, and memory. */
#define LEAST_TIME 0.01
#define LEAST_PEAK 0.02
#define LEAST_PEAK_KIB 256

enum verdict { VERDICT_NONE, VERDICT_SAME, VERDICT_LESS, VERDICT_MORE };

/* Both are needed: an interval by ranks that excludes 1, and medians that differ by the share `least` and by the amount
 * `least_amount`. NONE: too few runs to say anything. */
enum verdict stats_judge(const double *a, size_t na, const double *b, size_t nb, double least, double least_amount);

/* Uniform in [0, n). */
size_t stats_random(uint64_t *random, size_t n);

#endif
