/* suite: the rows of a suite side by side, out of the runs that compare has written.
 *
 *      suite DIR [--against OTHER] [--plot FILE] [--json FILE] [--markdown]
 *
 * DIR holds `rows`, the names of the rows in order, and for each NAME.csv. A row's best peer is the best of all but
 * libmspace. For the peers the ratio is to the best peer's median; the smallest of several noisy figures flatters itself, so for
 * libmspace the best peer is chosen on the odd runs and compared on the even ones, and the other way round, and both are
 * averaged (geometrically). Its 95 % interval is a bootstrap of the whole procedure. */
#include "stats.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROWS_MAX = 128, ALLOCATORS_MAX = 32, NAME_MAX_ = 64, RESAMPLES = 1000 };
enum column { TIME, PEAK, NCOLUMNS };

static const char *const TITLE[NCOLUMNS] = {"time", "peak memory"};
static const char OURS[] = "libmspace";

struct cell {
    double *figures[NCOLUMNS];
    size_t n;
    bool has_problem;
};

struct row {
    char name[NAME_MAX_];
    struct cell cells[ALLOCATORS_MAX];
};

struct suite {
    struct row rows[ROWS_MAX];
    char allocators[ALLOCATORS_MAX][NAME_MAX_];
    size_t nrows, nallocators;
    int ours; /* -1: not among them */
};

#define die(...) (fprintf(stderr, "suite: " __VA_ARGS__), fputc('\n', stderr), exit(2))

/* --- reading --- */

static size_t allocator_index(struct suite *suite, const char *name)
{
    size_t i = 0;
    while (i < suite->nallocators && strcmp(suite->allocators[i], name) != 0) i++;
    if (i == ALLOCATORS_MAX) die("at most %d allocators", ALLOCATORS_MAX);
    if (i < suite->nallocators) return i;
    snprintf(suite->allocators[i], NAME_MAX_, "%.*s", NAME_MAX_ - 1, name);
    if (strcmp(name, OURS) == 0) suite->ours = (int)i;
    suite->nallocators++;
    return i;
}

static void add_run(struct cell *cell, double time, double peak)
{
    if (cell->n == STATS_RUNS_MAX) die("more than %d runs of one allocator in a row", STATS_RUNS_MAX);
    for (int c = 0; c < NCOLUMNS; c++) {
        cell->figures[c] = realloc(cell->figures[c], (cell->n + 1) * sizeof(double));
        if (!cell->figures[c]) die("out of memory");
        cell->figures[c][cell->n] = c == TIME ? time : peak;
    }
    cell->n++;
}

/* A line of compare's CSV: allocator,run,time,user,system,peak_kib,anonymous_kib,faults,problem */
static void read_line(struct suite *suite, struct row *row, char *line)
{
    char *rest = line, *name = strsep(&rest, ",");
    double time = 0, peak = 0;
    struct cell *cell = &row->cells[allocator_index(suite, name)];
    if (rest && sscanf(rest, "%*d,%lf,%*f,%*f,%lf", &time, &peak) == 2) add_run(cell, time, peak);
    else cell->has_problem = true;
}

static void read_row(struct suite *suite, const char *folder, const char *name)
{
    char path[4096], line[1024];
    struct row *row = &suite->rows[suite->nrows++];
    snprintf(row->name, sizeof row->name, "%.*s", NAME_MAX_ - 1, name);
    snprintf(path, sizeof path, "%s/%s.csv", folder, name);
    FILE *file = fopen(path, "re");
    if (!file || !fgets(line, sizeof line, file)) die("cannot read %s: %s", path, strerror(errno));
    while (fgets(line, sizeof line, file)) read_line(suite, row, line);
    fclose(file);
}

static void read_suite(struct suite *suite, const char *folder)
{
    char path[4096], name[NAME_MAX_];
    suite->ours = -1;
    snprintf(path, sizeof path, "%s/rows", folder);
    FILE *file = fopen(path, "re");
    if (!file) die("cannot read %s: %s; was it made by bench.sh --save?", path, strerror(errno));
    while (fscanf(file, "%63s", name) == 1) {
        if (suite->nrows == ROWS_MAX) die("at most %d rows", ROWS_MAX);
        read_row(suite, folder, name);
    }
    fclose(file);
}

/* --- ratios --- */

/* The runs of one parity, or all (parity 2). */
static size_t some_runs(const struct cell *cell, enum column column, size_t parity, double *figures)
{
    size_t n = 0;
    for (size_t i = 0; i < cell->n; i++)
        if (parity == 2 || i % 2 == parity) figures[n++] = cell->figures[column][i];
    return n;
}

static double median_of(const struct cell *cell, enum column column, size_t parity)
{
    static double figures[STATS_RUNS_MAX];
    return stats_median(figures, some_runs(cell, column, parity, figures));
}

static bool has_figures(const struct cell *cell) { return cell->n > 0 && !cell->has_problem; }

/* -1: none has figures. */
static int best_peer(const struct suite *suite, const struct row *row, enum column column, size_t parity)
{
    int best = -1;
    double least = INFINITY;
    for (size_t i = 0; i < suite->nallocators; i++) {
        double median = has_figures(&row->cells[i]) ? median_of(&row->cells[i], column, parity) : NAN;
        if ((int)i == suite->ours || !(median < least)) continue;
        least = median;
        best = (int)i;
    }
    return best;
}

static double ratio_to_best(const struct suite *suite, const struct row *row, size_t i, enum column column)
{
    const struct cell *cell = &row->cells[i];
    int best = best_peer(suite, row, column, 2);
    if (best < 0 || !has_figures(cell)) return NAN;
    if ((int)i != suite->ours || cell->n < 4) return median_of(cell, column, 2) / median_of(&row->cells[best], column, 2);
    double product = 1;
    for (size_t parity = 0; parity < 2; parity++) {
        int chosen = best_peer(suite, row, column, parity);
        product *= median_of(cell, column, 1 - parity) / median_of(&row->cells[chosen], column, 1 - parity);
    }
    return sqrt(product);
}

/* Of our ratio: all cells of the row drawn again, each out of its own runs. */
static struct interval interval_of(const struct suite *suite, const struct row *row, enum column column)
{
    static double ratios[RESAMPLES];
    static struct row drawn;
    uint64_t random = 1;
    for (size_t i = 0; i < suite->nallocators; i++) {
        drawn.cells[i] = row->cells[i];
        drawn.cells[i].figures[column] = malloc((row->cells[i].n + 1) * sizeof(double));
        if (!drawn.cells[i].figures[column]) die("out of memory");
    }
    for (size_t r = 0; r < RESAMPLES; r++) {
        for (size_t i = 0; i < suite->nallocators; i++)
            for (size_t k = 0; k < row->cells[i].n; k++)
                drawn.cells[i].figures[column][k] = row->cells[i].figures[column][stats_random(&random, row->cells[i].n)];
        ratios[r] = ratio_to_best(suite, &drawn, (size_t)suite->ours, column);
    }
    for (size_t i = 0; i < suite->nallocators; i++) free(drawn.cells[i].figures[column]);
    return stats_quantiles(ratios, RESAMPLES, 0.025, 0.975);
}

/* --- tables --- */

static void print_head(const struct suite *suite, enum column column, bool is_markdown)
{
    printf(is_markdown ? "| %s |" : "%-24s", TITLE[column]);
    for (size_t i = 0; i < suite->nallocators; i++) printf(is_markdown ? " %s |" : " %12s", suite->allocators[i]);
    if (suite->ours >= 0) printf(is_markdown ? " 95 %% of %s |" : "   95 %% of %s", OURS);
    printf(is_markdown ? " best peer |\n" : "  best peer\n");
    if (!is_markdown) return;
    printf("|---|---|---|");
    for (size_t i = suite->ours < 0; i < suite->nallocators; i++) printf("---|");
    printf("\n");
}

static void print_ratio(double ratio, bool has_problem, bool is_markdown)
{
    char text[32] = "-";
    if (has_problem) snprintf(text, sizeof text, "fails");
    else if (!isnan(ratio)) snprintf(text, sizeof text, "%.*f", ratio < 10 ? 2 : 1, ratio);
    printf(is_markdown ? " %s |" : " %12s", text);
}

static void print_row(const struct suite *suite, const struct row *row, enum column column, bool is_markdown)
{
    int best = best_peer(suite, row, column, 2);
    printf(is_markdown ? "| %s |" : "%-24s", row->name);
    for (size_t i = 0; i < suite->nallocators; i++)
        print_ratio(ratio_to_best(suite, row, i, column), row->cells[i].has_problem, is_markdown);
    if (suite->ours >= 0 && has_figures(&row->cells[suite->ours]) && best >= 0) {
        struct interval sure = interval_of(suite, row, column);
        printf(is_markdown ? " %.2f-%.2f |" : "        %.2f-%.2f", sure.low, sure.high);
    } else if (suite->ours >= 0) {
        printf(is_markdown ? " |" : "                 ");
    }
    printf(is_markdown ? " %s |\n" : "  %s\n", best < 0 ? "-" : suite->allocators[best]);
}

/* NAN where it fails in some row: without its worst rows a mean would flatter it. */
static double geometric_mean(const struct suite *suite, size_t i, enum column column)
{
    double sum = 0;
    size_t n = 0;
    for (size_t r = 0; r < suite->nrows; r++) {
        double ratio = ratio_to_best(suite, &suite->rows[r], i, column);
        if (suite->rows[r].cells[i].has_problem) return NAN;
        if (isnan(ratio)) continue;
        sum += log(ratio);
        n++;
    }
    return n ? exp(sum / (double)n) : NAN;
}

static const struct row *worst_row(const struct suite *suite, enum column column)
{
    const struct row *worst = NULL;
    double most = 0;
    for (size_t r = 0; r < suite->nrows && suite->ours >= 0; r++) {
        double ratio = ratio_to_best(suite, &suite->rows[r], (size_t)suite->ours, column);
        if (ratio > most) most = ratio, worst = &suite->rows[r];
    }
    return worst;
}

static void print_table(const struct suite *suite, enum column column, bool is_markdown)
{
    print_head(suite, column, is_markdown);
    for (size_t r = 0; r < suite->nrows; r++) print_row(suite, &suite->rows[r], column, is_markdown);
    printf(is_markdown ? "| **geometric mean** |" : "%-24s", "geometric mean");
    for (size_t i = 0; i < suite->nallocators; i++) {
        double mean = geometric_mean(suite, i, column);
        if (isnan(mean)) printf(is_markdown ? " - |" : " %12s", "-");
        else printf(is_markdown ? " **%.3f** |" : " %12.3f", mean);
    }
    printf("%s\n", is_markdown ? suite->ours >= 0 ? " | |" : " |" : "");
    const struct row *worst = worst_row(suite, column);
    if (worst)
        printf("\nworst row of %s: %s, %.2f\n", OURS, worst->name, ratio_to_best(suite, worst, (size_t)suite->ours, column));
    printf("\n");
}

/* --- two builds of the library --- */

static const struct row *row_named(const struct suite *suite, const char *name)
{
    for (size_t r = 0; r < suite->nrows; r++)
        if (strcmp(suite->rows[r].name, name) == 0) return &suite->rows[r];
    return NULL;
}

/* Returns the number of rows in which ours is slower or fatter than theirs, outside the noise. */
static size_t print_against(const struct suite *now, const struct suite *then, const char *name)
{
    static const char *const WORD[NCOLUMNS][4] = {{"too few runs", "no difference", "faster", "SLOWER"},
                                                  {"too few runs", "no difference", "leaner", "FATTER"}};
    size_t nworse = 0;
    printf("%s now against %s\n%-24s %8s  %-14s %8s  %-14s\n", OURS, name, "", "time", "", "memory", "");
    for (size_t r = 0; r < now->nrows; r++) {
        const struct row *row = &now->rows[r], *old = row_named(then, row->name);
        if (!old || now->ours < 0 || then->ours < 0) continue;
        const struct cell *a = &row->cells[now->ours], *b = &old->cells[then->ours];
        if (!has_figures(b)) continue;
        printf("%-24s", row->name);
        if (!has_figures(a)) {
            printf(" FAILS\n");
            nworse++;
            continue;
        }
        for (int c = 0; c < NCOLUMNS; c++) {
            enum verdict verdict = stats_judge(a->figures[c], a->n, b->figures[c], b->n, c == TIME ? LEAST_TIME : LEAST_PEAK,
                                               c == TIME ? 0 : LEAST_PEAK_KIB);
            double ratio = stats_median(a->figures[c], a->n) / stats_median(b->figures[c], b->n);
            printf(" %8.3f  %-14s", ratio, WORD[c][verdict]);
            nworse += verdict == VERDICT_MORE;
        }
        printf("\n");
    }
    if (now->ours < 0 || then->ours < 0) die("%s is not on both sides", OURS);
    printf("\n%zu regressions\n", nworse);
    return nworse;
}

/* --- for machines --- */

/* A line a row: its name, then time and memory ratios of each allocator; a heading that names them. */
static void write_plot(const struct suite *suite, const char *path)
{
    FILE *file = fopen(path, "we");
    if (!file) die("cannot write %s: %s", path, strerror(errno));
    fputs("row", file);
    for (size_t i = 0; i < suite->nallocators; i++) fprintf(file, " %s", suite->allocators[i]);
    fputs("\n", file);
    for (size_t r = 0; r < suite->nrows; r++) {
        fprintf(file, "%s", suite->rows[r].name);
        for (int c = 0; c < NCOLUMNS; c++)
            for (size_t i = 0; i < suite->nallocators; i++) fprintf(file, " %.4g", ratio_to_best(suite, &suite->rows[r], i, c));
        fputs("\n", file);
    }
    fclose(file);
}

/* What the runs were made on, as bench.sh has noted it: lines of text. */
static void write_machine(FILE *file, const char *folder)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/machine", folder);
    FILE *machine = fopen(path, "re");
    fputs("{\"machine\": \"", file);
    for (int c; machine && (c = fgetc(machine)) != EOF;)
        if (c != '"' && c != '\\') fputs(c == '\n' ? "; " : (char[]){(char)c, 0}, file);
    fputs("\",\n\"rows\": [", file);
    if (machine) fclose(machine);
}

static void write_json(const struct suite *suite, const char *path, const char *folder)
{
    FILE *file = strcmp(path, "-") == 0 ? stdout : fopen(path, "we");
    if (!file) die("cannot write %s: %s", path, strerror(errno));
    write_machine(file, folder);
    for (size_t r = 0; r < suite->nrows; r++) {
        fprintf(file, "%s\n  {\"row\": \"%s\", \"allocators\": {", r ? "," : "", suite->rows[r].name);
        for (size_t i = 0; i < suite->nallocators; i++) {
            const struct cell *cell = &suite->rows[r].cells[i];
            fprintf(file, "%s\n    \"%s\": ", i ? "," : "", suite->allocators[i]);
            if (!has_figures(cell)) {
                fputs("null", file);
                continue;
            }
            if (best_peer(suite, &suite->rows[r], TIME, 2) < 0) { /* ratios to nobody */
                fprintf(file, "{\"time\": %.6g, \"peak_kib\": %.6g}", median_of(cell, TIME, 2), median_of(cell, PEAK, 2));
                continue;
            }
            fprintf(file, "{\"time\": %.6g, \"time_ratio\": %.6g, \"peak_kib\": %.6g, \"peak_ratio\": %.6g}",
                    median_of(cell, TIME, 2), ratio_to_best(suite, &suite->rows[r], i, TIME), median_of(cell, PEAK, 2),
                    ratio_to_best(suite, &suite->rows[r], i, PEAK));
        }
        fputs("}}", file);
    }
    fputs("\n]}\n", file);
    if (file != stdout) fclose(file);
}

int main(int argc, char **argv)
{
    static struct suite now, then;
    static const struct option OPTIONS[] = {
        {"against", 1, 0, 'a'}, {"plot", 1, 0, 'p'}, {"json", 1, 0, 'j'}, {"markdown", 0, 0, 'm'}, {0, 0, 0, 0}};
    const char *against = NULL, *plot = NULL, *json = NULL;
    bool is_markdown = false;
    for (int option; (option = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1;) {
        switch (option) {
        case 'a': against = optarg; break;
        case 'p': plot = optarg; break;
        case 'j': json = optarg; break;
        case 'm': is_markdown = true; break;
        default: return 2;
        }
    }
    if (optind != argc - 1) die("usage: suite DIR [--against DIR] [--plot FILE] [--json FILE] [--markdown]");
    read_suite(&now, argv[optind]);
    if (against) read_suite(&then, against);
    for (int c = 0; c < NCOLUMNS && !(json && strcmp(json, "-") == 0); c++) print_table(&now, c, is_markdown);
    if (plot) write_plot(&now, plot);
    if (json) write_json(&now, json, argv[optind]);
    return against && print_against(&now, &then, against) > 0;
}
