/* compare: runs one program under several allocators, taking turns at random, and says what that shows.
 * scripts/compare.sh is its face, and explains the options. */
#include "compare.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SERIES_MAX = 32, ENVIRONMENT_MAX = 64, EXIT_PROBLEM = 1, EXIT_USAGE = 2 };

static struct {
    struct plan plan;
    struct comparison all;
    size_t nruns;
    double time_limit;
    bool ignores_output, expects_success;
    const char *baseline, *json, *csv, *plot;
    char *environment[ENVIRONMENT_MAX + 1], *server[4];
    struct series series[SERIES_MAX];
    int reference; /* the baseline's output */
    int status;    /* and how it ended */
} our = {.nruns = 10, .time_limit = 0, .reference = -1};

#define die(...) (fprintf(stderr, "compare: " __VA_ARGS__), fputc('\n', stderr), exit(EXIT_USAGE))

/* --- one run, judged --- */

static void describe_status(char *text, size_t size, int status, const char *last_words)
{
    int n;
    if (WIFSIGNALED(status)) n = snprintf(text, size, "killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else n = snprintf(text, size, "exit status %d instead of %d", WEXITSTATUS(status), WEXITSTATUS(our.status));
    if (*last_words) snprintf(text + n, size - (size_t)n, "; it said: %s", last_words);
}

static void describe_trouble(char *text, size_t size, const struct run *run)
{
    switch (run->trouble) {
    case TROUBLE_NONE: break;
    case TROUBLE_EXEC: snprintf(text, size, "could not be started: %s", strerror(run->error)); break;
    case TROUBLE_TIMEOUT: snprintf(text, size, "hangs: not done after %.0f s, and ended", our.plan.timeout); break;
    case TROUBLE_NOT_MAPPED:
        snprintf(text, size, "the library was not loaded%s%s",
                 *run->last_words ? "; it said: " : " (a static or set-user-ID program?)", run->last_words);
        break;
    case TROUBLE_NO_FIGURE: snprintf(text, size, "printed no line `%s N ns/op`", our.plan.figure); break;
    case TROUBLE_READY:
        snprintf(text, size, "the server did not become ready%s%s", *run->last_words ? "; it said: " : "", run->last_words);
        break;
    case TROUBLE_CLIENT:
        snprintf(text, size, "the client failed%s%s", *run->last_words ? "; it said: " : "", run->last_words);
        break;
    case TROUBLE_PREPARE: snprintf(text, size, "the command of --prepare failed"); break;
    case TROUBLE_INTERRUPTED: snprintf(text, size, "interrupted"); break;
    }
}

/* Whether the run did what the baseline did; else says so in the series' problem. */
static bool is_good(struct series *series, const struct run *run)
{
    char *text = series->problem;
    if (run->trouble) describe_trouble(text, sizeof series->problem, run);
    else if (run->status != our.status) describe_status(text, sizeof series->problem, run->status, run->last_words);
    else if (!our.ignores_output && !run_same_output(our.reference, run->output))
        snprintf(text, sizeof series->problem, "its output differs from that under %s", our.all.series[our.all.baseline].name);
    return !*text;
}

static bool measure(struct series *series, bool is_warm_up)
{
    struct run run;
    run_once(&our.plan, series->library, is_warm_up, &run);
    bool good = run.trouble != TROUBLE_INTERRUPTED && is_good(series, &run);
    close(run.output);
    if (run.trouble == TROUBLE_INTERRUPTED) return false;
    series->was_looked_at = series->was_looked_at || run.is_looked_at;
    if (is_warm_up) series->anonymous_kib = run.anonymous_kib;
    else if (good) series->runs[series->nruns++] = run;
    return good;
}

/* --- all runs --- */

static void progress(const char *what, size_t round, double since)
{
    if (!isatty(STDERR_FILENO)) return;
    double gone = run_now() - since;
    fprintf(stderr, "\r\033[Kround %zu of %zu, %s", round, our.nruns, what);
    if (round > 1) fprintf(stderr, ", about %.0f s left", gone / (double)(round - 1) * (double)(our.nruns - round + 1));
}

static void progress_end(void)
{
    if (isatty(STDERR_FILENO)) fputs("\r\033[K", stderr);
}

/* What the baseline does is what all shall do. Twice, since a program whose output varies cannot be compared by it. */
static void set_reference(void)
{
    struct series *baseline = &our.all.series[our.all.baseline];
    struct run run, again;
    run_once(&our.plan, baseline->library, true, &run);
    if (run_interrupted) return;
    our.status = run.status;
    our.reference = run.output;
    if (our.plan.timeout == 0) our.plan.timeout = 20 * (run.user + run.system + (our.plan.figure ? 0 : run.wall)) + 10;
    describe_trouble(baseline->problem, sizeof baseline->problem, &run);
    if (run.trouble || WIFSIGNALED(run.status)) {
        if (!run.trouble) describe_status(baseline->problem, sizeof baseline->problem, run.status, run.last_words);
        die("nothing to compare with, for under %s: %s", baseline->name, baseline->problem);
    }
    if (our.expects_success && run.status != 0)
        die("under %s it ends with exit status %d%s%s", baseline->name, WEXITSTATUS(run.status),
            *run.last_words ? "; it said: " : "", run.last_words);
    baseline->anonymous_kib = run.anonymous_kib;
    baseline->was_looked_at = run.is_looked_at;
    if (our.ignores_output) return;
    run_once(&our.plan, baseline->library, false, &again);
    if (run_interrupted) return;
    if (!run_same_output(run.output, again.output))
        die("its output differs from run to run, even under %s; to compare it all the same: --ignore-output", baseline->name);
    close(again.output);
}

static void shuffle(size_t *order, size_t n, uint64_t *random)
{
    for (size_t i = 0; i < n; i++) order[i] = i;
    for (size_t i = n; i-- > 1;) {
        size_t k = stats_random(random, i + 1), swapped = order[i];
        order[i] = order[k];
        order[k] = swapped;
    }
}

static void run_all(void)
{
    size_t order[SERIES_MAX];
    uint64_t random = our.all.seed;
    double start = run_now(), since;
    set_reference();
    for (size_t i = 0; i < our.all.nseries && !run_interrupted; i++)
        if (i != our.all.baseline) measure(&our.all.series[i], true);
    since = run_now();
    for (size_t round = 1; round <= our.nruns && !run_interrupted; round++) {
        shuffle(order, our.all.nseries, &random);
        for (size_t i = 0; i < our.all.nseries && !run_interrupted; i++) {
            struct series *series = &our.all.series[order[i]];
            progress(series->name, round, since);
            if (!series->problem[0]) measure(series, false);
        }
        if (!run_interrupted) our.all.nrounds = round;
        double now = run_now(), a_round = (now - since) / (double)round;
        if (our.time_limit > 0 && now + a_round - start > our.time_limit) break;
    }
    progress_end();
}

/* --- the command line --- */

enum {
    ALLOCATOR = 256,
    BASELINE,
    RUNS,
    TIME_LIMIT,
    TIMEOUT,
    SEED,
    IGNORE_OUTPUT,
    EXPECT_SUCCESS,
    INPUT,
    ENVIRONMENT,
    FOLDER,
    PREPARE,
    FIGURE,
    SERVER,
    READY,
    JSON,
    CSV,
    PLOT,
    TITLE
};

static const struct option OPTIONS[] = {
    {"allocator", 1, 0, ALLOCATOR},
    {"baseline", 1, 0, BASELINE},
    {"runs", 1, 0, RUNS},
    {"time-limit", 1, 0, TIME_LIMIT},
    {"timeout", 1, 0, TIMEOUT},
    {"seed", 1, 0, SEED},
    {"stdin", 1, 0, INPUT},
    {"ignore-output", 0, 0, IGNORE_OUTPUT},
    {"expect-success", 0, 0, EXPECT_SUCCESS},
    {"env", 1, 0, ENVIRONMENT},
    {"cwd", 1, 0, FOLDER},
    {"prepare", 1, 0, PREPARE},
    {"figure", 1, 0, FIGURE},
    {"server", 1, 0, SERVER},
    {"ready", 1, 0, READY},
    {"json", 1, 0, JSON},
    {"csv", 1, 0, CSV},
    {"plot", 1, 0, PLOT},
    {"title", 1, 0, TITLE},
    {0, 0, 0, 0},
};

static double number(const char *option, const char *text, double least, double most)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !(value >= least && value <= most))
        die("--%s takes a number from %.0f to %.0f, not '%s'", option, least, most, text);
    return value;
}

static void add_allocator(char *text)
{
    char *path = strchr(text, '=');
    if (!path || path == text || !path[1]) die("--allocator takes NAME=/path/to/library.so or NAME=-, not '%s'", text);
    if (our.all.nseries == SERIES_MAX) die("at most %d allocators", SERIES_MAX);
    *path++ = 0;
    bool is_libc = strcmp(path, "-") == 0;
    for (size_t i = 0; i < our.all.nseries; i++)
        if (strcmp(our.series[i].name, text) == 0) die("two allocators are called %s", text);
    if (!is_libc && access(path, R_OK) != 0) die("%s: cannot read %s: %s", text, path, strerror(errno));
    our.series[our.all.nseries++] = (struct series){.name = text, .library = is_libc ? NULL : path};
}

static void add_environment(char *pair)
{
    size_t n = 0;
    while (our.environment[n]) n++;
    if (!strchr(pair, '=')) die("--env takes NAME=VALUE, not '%s'", pair);
    if (n == ENVIRONMENT_MAX) die("at most %d times --env", ENVIRONMENT_MAX);
    our.environment[n] = pair;
}

static void set_option(int option)
{
    switch (option) {
    case ALLOCATOR: add_allocator(optarg); break;
    case BASELINE: our.baseline = optarg; break;
    case RUNS: our.nruns = (size_t)number("runs", optarg, 1, STATS_RUNS_MAX); break;
    case TIME_LIMIT: our.time_limit = number("time-limit", optarg, 0, 1e6); break;
    case TIMEOUT: our.plan.timeout = number("timeout", optarg, 0, 1e6); break;
    case SEED: our.all.seed = strtoull(optarg, NULL, 0); break;
    case IGNORE_OUTPUT: our.ignores_output = true; break;
    case EXPECT_SUCCESS: our.expects_success = true; break;
    case INPUT: our.plan.input = optarg; break;
    case ENVIRONMENT: add_environment(optarg); break;
    case FOLDER: our.plan.folder = optarg; break;
    case PREPARE: our.plan.prepare = optarg; break;
    case FIGURE: our.plan.figure = optarg; break;
    case SERVER: our.server[2] = optarg; break;
    case READY: our.plan.ready = optarg; break;
    case JSON: our.json = optarg; break;
    case CSV: our.csv = optarg; break;
    case PLOT: our.plot = optarg; break;
    case TITLE: our.all.title = optarg; break;
    default: exit(EXIT_USAGE); /* getopt has said what is wrong */
    }
}

static const char *words_joined(char **words)
{
    size_t n = 1;
    for (char **word = words; *word; word++) n += strlen(*word) + 1;
    char *text = calloc(n, 1);
    for (char **word = words; text && *word; word++) {
        if (*text) strcat(text, " ");
        strcat(text, *word);
    }
    return text;
}

static void read_command_line(int argc, char **argv)
{
    int option;
    if (getrandom(&our.all.seed, sizeof our.all.seed, 0) < 0) our.all.seed = (uint64_t)getpid();
    our.all.seed &= 0xFFFFFFFF; /* short enough to be typed again */
    while ((option = getopt_long(argc, argv, "+", OPTIONS, NULL)) != -1) set_option(option);
    if (optind == argc) die("which program?");
    if (our.all.nseries == 0) die("which allocators? --allocator NAME=FILE");
    our.plan.command = argv + optind;
    our.plan.environment = our.environment;
    if (our.server[2]) {
        static char sh[] = "/bin/sh", c[] = "-c";
        our.server[0] = sh, our.server[1] = c;
        our.plan.server = our.server;
    }
    our.all.series = our.series;
    our.all.is_figure = our.plan.figure != NULL;
    our.all.is_server = our.plan.server != NULL;
    if (!our.all.title) our.all.title = words_joined(our.plan.command);
    for (size_t i = 0; i < our.all.nseries; i++) {
        our.series[i].runs = calloc(our.nruns, sizeof(struct run));
        if (!our.series[i].runs) die("out of memory");
        if (our.baseline && strcmp(our.series[i].name, our.baseline) == 0) our.all.baseline = i, our.baseline = NULL;
    }
    if (our.baseline) die("the baseline %s is not among the allocators", our.baseline);
}

static void write_to(const char *path, void (*show)(const struct comparison *all, FILE *file))
{
    FILE *file = !path ? NULL : strcmp(path, "-") == 0 ? stdout : fopen(path, "we");
    if (!path) return;
    if (!file) die("cannot write %s: %s", path, strerror(errno));
    show(&our.all, file);
    if (file == stdout ? fflush(file) != 0 : fclose(file) != 0) die("cannot write %s: %s", path, strerror(errno));
}

int main(int argc, char **argv)
{
    read_command_line(argc, argv);
    run_start();
    run_all();
    if (run_interrupted) {
        fprintf(stderr, "compare: interrupted after %zu of %zu rounds; nothing is left running\n", our.all.nrounds, our.nruns);
        exit(128 + run_interrupted);
    }
    bool is_terminal = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
    bool is_silent = (our.json && strcmp(our.json, "-") == 0) || (our.csv && strcmp(our.csv, "-") == 0);
    if (!is_silent) show_table(&our.all, stdout, is_terminal);
    write_to(our.json, show_json);
    write_to(our.csv, show_csv);
    write_to(our.plot, show_plot);
    for (size_t i = 0; i < our.all.nseries; i++)
        if (our.all.series[i].problem[0]) return EXIT_PROBLEM;
    return 0;
}
