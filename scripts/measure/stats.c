#include "stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { RESAMPLES = 4000 };

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double *sorted(const double *figures, size_t n)
{
    double *copy = malloc((n + 1) * sizeof *copy);
    if (!copy) abort();
    memcpy(copy, figures, n * sizeof *copy);
    qsort(copy, n, sizeof *copy, by_size);
    return copy;
}

/* Of sorted figures; between two of them the straight line. */
static double quantile(const double *figures, size_t n, double q)
{
    double at = q * (double)(n - 1);
    size_t i = (size_t)at;
    return i + 1 < n ? figures[i] + (at - (double)i) * (figures[i + 1] - figures[i]) : figures[n - 1];
}

double stats_median(const double *figures, size_t n)
{
    if (n == 0) return NAN;
    double *copy = sorted(figures, n), median = quantile(copy, n, 0.5);
    free(copy);
    return median;
}

double stats_spread(const double *figures, size_t n)
{
    if (n == 0) return NAN;
    double *copy = sorted(figures, n), median = quantile(copy, n, 0.5);
    double spread = median > 0 ? (quantile(copy, n, 0.75) - quantile(copy, n, 0.25)) / median : 0;
    free(copy);
    return spread;
}

struct interval stats_quantiles(const double *figures, size_t n, double low, double high)
{
    double *copy = sorted(figures, n);
    struct interval interval = {quantile(copy, n, low), quantile(copy, n, high)};
    free(copy);
    return interval;
}

/* splitmix64 (Steele, Lea, Flood 2014). */
size_t stats_random(uint64_t *random, size_t n)
{
    uint64_t z = *random += 0x9E3779B97F4A7C15U;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return (size_t)((unsigned __int128)(z ^ (z >> 31)) * n >> 64);
}

static double resampled_median(const double *figures, size_t n, double *drawn, uint64_t *random)
{
    for (size_t i = 0; i < n; i++) drawn[i] = figures[stats_random(random, n)];
    qsort(drawn, n, sizeof *drawn, by_size);
    return quantile(drawn, n, 0.5);
}

struct interval stats_bootstrap(const double *a, size_t na, const double *b, size_t nb, uint64_t *random)
{
    if (na == 0 || nb == 0) return (struct interval){NAN, NAN};
    double *drawn = malloc((na + nb) * sizeof *drawn), *ratios = malloc(RESAMPLES * sizeof *ratios);
    if (!drawn || !ratios) abort();
    for (int i = 0; i < RESAMPLES; i++)
        ratios[i] = resampled_median(a, na, drawn, random) / resampled_median(b, nb, drawn, random);
    struct interval interval = stats_quantiles(ratios, RESAMPLES, 0.025, 0.975);
    free(drawn);
    free(ratios);
    return interval;
}

/* How many of the na * nb pairs may be cut off at each end: the largest k with P(U < k) <= tail, U Mann and Whitney's. The numbers
 * of ways to each U are the coefficients of a Gaussian binomial: the product of (1 - x^(nb + i)) / (1 - x^i). */
static size_t cut_off(size_t na, size_t nb, double tail)
{
    size_t npairs = na * nb, k = 0;
    double *ways = calloc(npairs + 1, sizeof *ways), all = 0, below = 0;
    if (!ways) abort();
    ways[0] = 1;
    for (size_t i = 1; i <= na; i++) {
        for (size_t u = npairs; u >= nb + i; u--) ways[u] -= ways[u - nb - i];
        for (size_t u = i; u <= npairs; u++) ways[u] += ways[u - i];
    }
    for (size_t u = 0; u <= npairs; u++) all += ways[u];
    for (; k < npairs && (below + ways[k]) / all <= tail; k++) below += ways[k];
    free(ways);
    return k;
}

struct interval stats_ranks(const double *a, size_t na, const double *b, size_t nb)
{
    size_t k, npairs = na * nb;
    if (na < STATS_RUNS_MIN || nb < STATS_RUNS_MIN || (k = cut_off(na, nb, 0.005)) == 0) return (struct interval){0, INFINITY};
    double *ratios = malloc(npairs * sizeof *ratios);
    if (!ratios) abort();
    for (size_t i = 0; i < na; i++)
        for (size_t j = 0; j < nb; j++) ratios[i * nb + j] = a[i] / b[j];
    qsort(ratios, npairs, sizeof *ratios, by_size);
    struct interval interval = {ratios[k - 1], ratios[npairs - k]};
    free(ratios);
    return interval;
}

enum verdict stats_judge(const double *a, size_t na, const double *b, size_t nb, double least, double least_amount)
{
    if (na < STATS_RUNS_MIN || nb < STATS_RUNS_MIN) return VERDICT_NONE;
    struct interval sure = stats_ranks(a, na, b, nb);
    double ma = stats_median(a, na), mb = stats_median(b, nb), difference = fabs(ma - mb);
    if (difference < least * mb || difference < least_amount) return VERDICT_SAME;
    if (sure.low > 1 && ma > mb) return VERDICT_MORE;
    return sure.high < 1 && ma < mb ? VERDICT_LESS : VERDICT_SAME;
}
