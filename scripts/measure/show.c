#include "compare.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>

static double figure_of(const struct run *run, enum column column)
{
    switch (column) {
    case COLUMN_WALL: return run->wall;
    case COLUMN_USER: return run->user;
    case COLUMN_SYSTEM: return run->system;
    case COLUMN_PEAK: return run->peak_kib;
    case COLUMN_FAULTS: return run->faults;
    }
    return NAN;
}

size_t series_column(const struct series *series, enum column column, double *figures)
{
    for (size_t i = 0; i < series->nruns; i++) figures[i] = figure_of(&series->runs[i], column);
    return series->nruns;
}

/* One column of a series against the baseline's. */
struct against {
    double median, spread, ratio;
    struct interval sure;
    enum verdict verdict;
    bool is_baseline;
};

static struct against against(const struct comparison *all, const struct series *series, enum column column)
{
    static double own[STATS_RUNS_MAX], base[STATS_RUNS_MAX];
    const struct series *baseline = &all->series[all->baseline];
    size_t n = series_column(series, column, own), nbase = series_column(baseline, column, base);
    bool is_time = column != COLUMN_PEAK;
    uint64_t random = all->seed;
    struct against result = {.median = stats_median(own, n), .spread = stats_spread(own, n), .is_baseline = series == baseline};
    result.ratio = baseline->problem[0] ? NAN : result.median / stats_median(base, nbase);
    result.sure = (struct interval){NAN, NAN};
    if (result.is_baseline || baseline->problem[0]) return result; /* nothing to compare with, nothing to say */
    result.sure = stats_bootstrap(own, n, base, nbase, &random);
    result.verdict = stats_judge(own, n, base, nbase, is_time ? LEAST_TIME : LEAST_PEAK, is_time ? 0 : LEAST_PEAK_KIB);
    return result;
}

static const char *verdict_word(const struct against *it, bool is_time)
{
    static const char *const TIME[] = {"too few runs", "no difference", "faster", "slower"};
    static const char *const PEAK[] = {"too few runs", "no difference", "leaner", "fatter"};
    if (it->is_baseline) return "";
    if (isnan(it->ratio)) return "no baseline";
    return is_time ? TIME[it->verdict] : PEAK[it->verdict];
}

/* --- for people --- */

static void print_time(FILE *file, const struct comparison *all, double t)
{
    const char *unit = all->is_figure ? "ns/op" : t < 1 ? "ms" : "s";
    double value = all->is_figure || t >= 1 ? t : t * 1e3;
    fprintf(file, "%7.*f %-5s", value < 10 ? 3 : value < 100 ? 2 : 1, value, unit);
}

/* Eighths of a cell: 1.00 is ten cells, and 2.5 the most. */
static void print_bar(FILE *file, double ratio, bool is_terminal)
{
    static const char *const EIGHTH[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    if (!is_terminal || !(ratio > 0)) return;
    int eighths = (int)(fmin(ratio, 2.5) * 80 + 0.5);
    fputs("  ", file);
    for (int i = 0; i < eighths / 8; i++) fputs("█", file);
    fputs(EIGHTH[eighths % 8], file);
    if (ratio > 2.5) fputs("…", file);
}

static const char *colour_of(const struct against *it, bool is_terminal)
{
    if (!is_terminal || it->is_baseline) return "";
    return it->verdict == VERDICT_LESS ? "\033[32m" : it->verdict == VERDICT_MORE ? "\033[31m" : "";
}

static void print_against(FILE *file, const struct against *it, bool is_time, bool is_terminal)
{
    const char *colour = colour_of(it, is_terminal);
    char interval[32] = "", ratio[16];
    snprintf(ratio, sizeof ratio, "%.*f", it->ratio < 10 ? 3 : 1, it->ratio);
    if (!isnan(it->sure.low)) snprintf(interval, sizeof interval, "%.3f-%.3f", it->sure.low, it->sure.high);
    fprintf(file, " %4.0f %%  %6s  %-13s %s%-13s%s", 100 * it->spread, ratio, interval, colour, verdict_word(it, is_time),
            *colour ? "\033[0m" : "");
}

static double median_of(const struct series *series, enum column column)
{
    static double figures[STATS_RUNS_MAX];
    return stats_median(figures, series_column(series, column, figures));
}

static void print_time_row(FILE *file, const struct comparison *all, const struct series *series, bool is_terminal)
{
    struct against wall = against(all, series, COLUMN_WALL);
    print_time(file, all, wall.median);
    print_against(file, &wall, true, is_terminal);
    fprintf(file, " %8.3f %8.3f", median_of(series, COLUMN_USER), median_of(series, COLUMN_SYSTEM));
    print_bar(file, wall.ratio, is_terminal);
}

static void print_memory_row(FILE *file, const struct comparison *all, const struct series *series, bool is_terminal)
{
    struct against peak = against(all, series, COLUMN_PEAK);
    fprintf(file, "%9.2f MiB", peak.median / 1024);
    print_against(file, &peak, false, is_terminal);
    if (series->anonymous_kib > 0) fprintf(file, " %8.2f", series->anonymous_kib / 1024);
    else fprintf(file, " %8s", "-");
    fprintf(file, " %8.0f", median_of(series, COLUMN_FAULTS));
    print_bar(file, peak.ratio, is_terminal);
}

/* One of the two tables; an allocator with a problem has it told in the first. */
static void print_rows(FILE *file, const struct comparison *all, int width, bool is_time, bool is_terminal)
{
    for (size_t i = 0; i < all->nseries; i++) {
        const struct series *series = &all->series[i];
        if (series->problem[0] && !is_time) continue;
        fprintf(file, "%-*s", width, series->name);
        if (series->problem[0])
            fprintf(file, "  %s%s%s", is_terminal ? "\033[31m" : "", series->problem, is_terminal ? "\033[0m" : "");
        else if (is_time) print_time_row(file, all, series, is_terminal);
        else print_memory_row(file, all, series, is_terminal);
        fputs("\n", file);
    }
}

void show_table(const struct comparison *all, FILE *file, bool is_terminal)
{
    static const char HEAD[] = "%-*s%13s %6s  %6s  %-13s %-13s %8s %8s\n";
    int width = 9;
    bool has_unseen = false;
    for (size_t i = 0; i < all->nseries; i++) {
        const struct series *series = &all->series[i];
        if ((int)strlen(series->name) > width) width = (int)strlen(series->name);
        has_unseen = has_unseen || (series->library && !series->was_looked_at && !series->problem[0]);
    }
    fprintf(file, "%s\n%zu runs each, in random order (seed %llu); ratios to %s\n\n", all->title, all->nrounds,
            (unsigned long long)all->seed, all->series[all->baseline].name);
    fprintf(file, HEAD, width, "", all->is_server ? "client's time " : "time      ", "spread", "ratio", "95 % interval", "",
            "user s", "system s");
    print_rows(file, all, width, true, is_terminal);
    fputs("\n", file);
    fprintf(file, HEAD, width, "", "peak memory ", "spread", "ratio", "95 % interval", "", "anon MiB", "faults");
    print_rows(file, all, width, false, is_terminal);
    if (has_unseen) fprintf(file, "\nnote: nobody could look whether the libraries were really loaded\n");
}

/* --- for machines --- */

static void json_string(FILE *file, const char *text)
{
    fputc('"', file);
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\') fprintf(file, "\\%c", *c);
        else if (*c < 0x20 || *c >= 0x7f) fprintf(file, "\\u%04x", *c);
        else fputc(*c, file);
    }
    fputc('"', file);
}

static void json_pair(FILE *file, const char *key, const char *value, const char *end)
{
    fprintf(file, "\"%s\": ", key);
    if (value) json_string(file, value);
    else fputs("null", file);
    fputs(end, file);
}

/* The file's first line; NULL and "" where there is none. */
static const char *first_line(const char *path, char *line, int size)
{
    FILE *file = fopen(path, "re");
    if (!file || !fgets(line, size, file)) *line = 0;
    if (file) fclose(file);
    line[strcspn(line, "\n")] = 0;
    return line;
}

static void json_machine(FILE *file)
{
    struct utsname name;
    char line[128], processor[256] = "";
    uname(&name);
    FILE *info = fopen("/proc/cpuinfo", "re");
    while (info && fgets(processor, sizeof processor, info) && strncmp(processor, "model name", 10) != 0) {
    }
    if (info) fclose(info);
    const char *colon = strchr(processor, ':');
    processor[strcspn(processor, "\n")] = 0;
    fputs("  \"machine\": {", file);
    json_pair(file, "kernel", name.release, ", ");
    json_pair(file, "processor", colon ? colon + 2 : "", ", ");
    json_pair(file, "huge_pages", first_line("/sys/kernel/mm/transparent_hugepage/enabled", line, sizeof line), "},\n");
}

/* JSON has no word for what is no number. */
static void json_number(FILE *file, const char *key, double value)
{
    if (isfinite(value)) fprintf(file, "\"%s\": %.9g", key, value);
    else fprintf(file, "\"%s\": null", key);
}

static void json_against(FILE *file, const char *key, const struct against *it, bool is_time)
{
    fprintf(file, "     \"%s\": {", key);
    json_number(file, "median", it->median);
    fputs(", ", file);
    json_number(file, "spread", it->spread);
    fputs(", ", file);
    json_number(file, "ratio", it->ratio);
    if (!it->is_baseline) {
        fputs(", ", file);
        json_number(file, "low", it->sure.low);
        fputs(", ", file);
        json_number(file, "high", it->sure.high);
        fprintf(file, ", \"verdict\": \"%s\"", verdict_word(it, is_time));
    }
    fputs("},\n", file);
}

static void json_series(FILE *file, const struct comparison *all, const struct series *series)
{
    fputs("    {", file);
    json_pair(file, "name", series->name, ", ");
    json_pair(file, "library", series->library, ", ");
    json_pair(file, "problem", series->problem[0] ? series->problem : NULL, ",\n");
    if (!series->problem[0]) {
        struct against wall = against(all, series, COLUMN_WALL), peak = against(all, series, COLUMN_PEAK);
        json_against(file, "time", &wall, true);
        json_against(file, "peak_kib", &peak, false);
    }
    fprintf(file, "     \"anonymous_kib\": %.0f,\n     \"runs\": [", series->anonymous_kib);
    for (size_t i = 0; i < series->nruns; i++) {
        const struct run *run = &series->runs[i];
        fprintf(file, "%s\n       {\"time\": %.9g, \"user\": %.6f, \"system\": %.6f, \"peak_kib\": %.0f, \"faults\": %.0f}",
                i ? "," : "", run->wall, run->user, run->system, run->peak_kib, run->faults);
    }
    fputs("]}", file);
}

void show_json(const struct comparison *all, FILE *file)
{
    fputs("{\n  ", file);
    json_pair(file, "command", all->title, ",\n  ");
    json_pair(file, "unit", all->is_figure ? "ns/op" : "seconds", ",\n  ");
    json_pair(file, "baseline", all->series[all->baseline].name, ",\n");
    fprintf(file, "  \"seed\": %llu,\n  \"rounds\": %zu,\n", (unsigned long long)all->seed, all->nrounds);
    json_machine(file);
    fputs("  \"allocators\": [\n", file);
    for (size_t i = 0; i < all->nseries; i++) {
        json_series(file, all, &all->series[i]);
        fputs(i + 1 < all->nseries ? ",\n" : "\n", file);
    }
    fputs("  ]\n}\n", file);
}

void show_csv(const struct comparison *all, FILE *file)
{
    fputs("allocator,run,time,user,system,peak_kib,anonymous_kib,faults,problem\n", file);
    for (size_t i = 0; i < all->nseries; i++) {
        const struct series *series = &all->series[i];
        for (size_t k = 0; k < series->nruns && !series->problem[0]; k++) {
            const struct run *run = &series->runs[k];
            fprintf(file, "%s,%zu,%.9g,%.6f,%.6f,%.0f,%.0f,%.0f,\n", series->name, k + 1, run->wall, run->user, run->system,
                    run->peak_kib, series->anonymous_kib, run->faults);
        }
        if (!series->problem[0]) continue;
        fprintf(file, "%s,,,,,,,,\"", series->name);
        for (const char *c = series->problem; *c; c++) fputc(*c == '"' ? '\'' : *c, file);
        fputs("\"\n", file);
    }
}

void show_plot(const struct comparison *all, FILE *file)
{
    for (size_t i = 0; i < all->nseries; i++) {
        const struct series *series = &all->series[i];
        if (series->problem[0]) continue;
        struct against wall = against(all, series, COLUMN_WALL), peak = against(all, series, COLUMN_PEAK);
        if (wall.is_baseline) wall.sure = peak.sure = (struct interval){1, 1};
        fprintf(file, "\"%s\" %.6g %.6g %.6g %.6g %.6g %.6g\n", series->name, wall.ratio, wall.sure.low, wall.sure.high,
                peak.ratio, peak.sure.low, peak.sure.high);
    }
}
