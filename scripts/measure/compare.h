/* compare.h - a program under several allocators: the runs, and what is shown of them. */
#ifndef MEASURE_COMPARE_H
#define MEASURE_COMPARE_H

#include "run.h"
#include "stats.h"

#include <stdio.h>

/* All runs under one allocator. One that failed once is not run again, and its figures are not shown. */
struct series {
    const char *name, *library; /* library NULL: libc's own */
    struct run *runs;
    size_t nruns;
    double anonymous_kib; /* of the warm-up run */
    bool was_looked_at;
    char problem[400]; /* empty: none */
};

struct comparison {
    const char *title;
    struct series *series;
    size_t nseries, baseline; /* baseline: an index */
    size_t nrounds;
    uint64_t seed;
    bool is_figure, is_server;
};

enum column { COLUMN_WALL, COLUMN_USER, COLUMN_SYSTEM, COLUMN_PEAK, COLUMN_FAULTS };

/* The figures of a column into `figures`, STATS_RUNS_MAX of them at most; returns their number. */
size_t series_column(const struct series *series, enum column column, double *figures);

/* A table for people; colour and bars on a terminal. */
void show_table(const struct comparison *comparison, FILE *file, bool is_terminal);
void show_json(const struct comparison *comparison, FILE *file); /* everything, with the raw runs */
void show_csv(const struct comparison *comparison, FILE *file);  /* a line a run */
void show_plot(const struct comparison *comparison, FILE *file); /* what scripts/lib/picture.sh draws: a line an allocator */

#endif
