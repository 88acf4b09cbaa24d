#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const double LOOK_AFTER = 0.010, SAMPLE_EVERY = 0.004, READY_WITHIN = 20, STOP_WITHIN = 5; /* seconds */

volatile int run_interrupted;

double run_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void on_signal(int sig) { run_interrupted = sig; }

void run_start(void)
{
    static const int SIGNALS[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = on_signal};
    sigset_t child;
    for (int i = 0; i < 3; i++) sigaction(SIGNALS[i], &action, NULL);
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* the script that is our face has been ended */
}

/* --- the child --- */

static void unblock_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    for (int sig = 1; sig < 32; sig++) signal(sig, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void set_environment(const struct plan *plan, const char *library)
{
    unsetenv("LD_PRELOAD");
    for (char **pair = plan->environment; pair && *pair; pair++) putenv(*pair);
    if (library) setenv("LD_PRELOAD", library, 1);
}

static void redirect(int fd, int to)
{
    if (fd >= 0) dup2(fd, to);
}

/* Becomes the program once `go` is written to or closed. What exec fails with goes to `failed`, which exec closes. */
__attribute__((noreturn)) static void become(const struct plan *plan, char **command, const char *library, int out, int err,
                                             int go, int failed)
{
    char byte;
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int in = open(plan->input ? plan->input : "/dev/null", O_RDONLY | O_CLOEXEC);
    if (in < 0 || (plan->folder && chdir(plan->folder) != 0)) goto failure;
    redirect(in, STDIN_FILENO);
    redirect(out, STDOUT_FILENO);
    redirect(err, STDERR_FILENO);
    set_environment(plan, library);
    unblock_signals();
    if (read(go, &byte, 1) < 0) _exit(127);
    execvp(command[0], command);
failure:
    if (write(failed, &errno, sizeof errno) < 0) _exit(127);
    _exit(127);
}

/* --- looking at it --- */

static bool is_mapped(pid_t pid, const char *library)
{
    char path[64], line[PATH_MAX + 128], real[PATH_MAX];
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    if (!realpath(library, real)) return false;
    FILE *maps = fopen(path, "re");
    bool found = false;
    while (maps && !found && fgets(line, sizeof line, maps)) {
        const char *file = strchr(line, '/');
        size_t n = strlen(real);
        found = file && strncmp(file, real, n) == 0 && (file[n] == '\n' || file[n] == ' ');
    }
    if (maps) fclose(maps);
    return found;
}

static double anonymous_of(pid_t pid)
{
    char path[64], line[256];
    double kib = 0;
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file)) sscanf(line, "Anonymous: %lf", &kib);
    if (file) fclose(file);
    return kib;
}

/* Calls visit for every living descendant: children of the main thread, theirs, and so on. */
static void visit_family(pid_t pid, void (*visit)(pid_t pid, void *argument), void *argument, int depth)
{
    char path[64];
    int child;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)pid);
    FILE *children = depth < 16 ? fopen(path, "re") : NULL;
    while (children && fscanf(children, "%d", &child) == 1) {
        visit(child, argument);
        visit_family(child, visit, argument, depth + 1);
    }
    if (children) fclose(children);
}

static void sample_one(pid_t pid, void *most)
{
    double kib = anonymous_of(pid);
    if (kib > *(double *)most) *(double *)most = kib;
}

static void sample(pid_t pid, struct run *run)
{
    sample_one(pid, &run->anonymous_kib);
    visit_family(pid, sample_one, &run->anonymous_kib, 0);
}

/* --- waiting for it --- */

struct child {
    pid_t pid;
    const char *library;
    bool is_server, is_traced, is_sampled, is_mapped;
    double started, paused, next_look, next_sample, deadline;
    int failed; /* where a failed exec is told */
};

static void look(struct child *child, struct run *run)
{
    if (child->is_sampled) sample(child->pid, run);
    run->is_looked_at = true;
    child->is_mapped = child->is_mapped || !child->library || is_mapped(child->pid, child->library);
}

/* It stands still, for `status` says why. */
static void on_stop(struct child *child, struct run *run, int status)
{
    double since = run_now();
    int event = status >> 16, sig = event ? 0 : WSTOPSIG(status);
    bool is_our_stop = event == PTRACE_EVENT_STOP && WSTOPSIG(status) == SIGTRAP;
    bool may_go = false;
    if (event == PTRACE_EVENT_EXIT || is_our_stop) {
        look(child, run);
        may_go = is_our_stop && !child->is_sampled && child->is_mapped;
    }
    child->paused += run_now() - since;
    if (may_go) child->is_traced = false, ptrace(PTRACE_DETACH, child->pid, NULL, NULL);
    else if (event == PTRACE_EVENT_STOP && !is_our_stop) ptrace(PTRACE_LISTEN, child->pid, NULL, NULL);
    else ptrace(PTRACE_CONT, child->pid, NULL, (void *)(long)sig);
}

/* What is due by the clock; returns the seconds until the next. */
static double on_time(struct child *child, struct run *run)
{
    double now = run_now(), next = now + 3600;
    if (child->is_traced && !child->is_sampled && now >= child->next_look) {
        ptrace(PTRACE_INTERRUPT, child->pid, NULL, NULL);
        child->next_look = now + 4 * (now - child->started); /* not mapped yet: again, ever more seldom */
    }
    if (child->is_sampled && now >= child->next_sample) {
        sample(child->pid, run);
        child->next_sample = run_now() + SAMPLE_EVERY;
    }
    if ((child->deadline > 0 && now >= child->deadline) || run_interrupted) {
        if (!run->trouble) run->trouble = run_interrupted ? TROUBLE_INTERRUPTED : TROUBLE_TIMEOUT;
        kill(-child->pid, SIGKILL);
        kill(child->pid, SIGKILL);
    }
    if (child->is_traced && !child->is_sampled && child->next_look < next) next = child->next_look;
    if (child->is_sampled && child->next_sample < next) next = child->next_sample;
    if (child->deadline > 0 && child->deadline < next && !run->trouble) next = child->deadline;
    return next - now;
}

static void sleep_until_news(double seconds)
{
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    seconds = seconds < 0 ? 0 : seconds > 1 ? 1 : seconds; /* a signal may have come just before */
    struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    sigtimedwait(&child, NULL, &t);
}

static void end_one(pid_t pid, void *argument)
{
    (void)argument;
    kill(pid, SIGKILL);
}

/* Whatever the run has left behind is ours by now: ends it. */
static void end_family(pid_t group)
{
    kill(-group, SIGKILL);
    for (int i = 0; i < 1000; i++) {
        visit_family(getpid(), end_one, NULL, 0);
        pid_t pid = waitpid(-1, NULL, 0);
        if (pid < 0 && errno == ECHILD) return;
    }
}

static double seconds_of(struct timeval t) { return (double)t.tv_sec + (double)t.tv_usec / 1e6; }

static void trace(struct child *child)
{
    child->is_traced = ptrace(PTRACE_SEIZE, child->pid, NULL, (void *)(long)(PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL)) == 0;
}

static bool start(struct child *child, const struct plan *plan, char **command, int out, int err)
{
    int go[2], failed[2];
    if (pipe2(go, O_CLOEXEC) != 0 || pipe2(failed, O_CLOEXEC) != 0) return false;
    fflush(NULL);
    child->pid = fork();
    if (child->pid == 0) {
        close(go[1]);
        become(plan, command, child->library, out, err, go[0], failed[1]);
    }
    close(go[0]);
    close(failed[1]);
    child->failed = failed[0];
    if (child->pid < 0) return false;
    setpgid(child->pid, child->pid);
    if (!child->is_server) trace(child);
    child->started = run_now();
    child->next_look = child->started + LOOK_AFTER;
    child->deadline = plan->timeout > 0 ? child->started + plan->timeout : 0;
    close(go[1]);
    return true;
}

/* Waits for the end, and notes it all but for the wall-clock time, which it returns. */
static double finish(struct child *child, struct run *run)
{
    struct rusage usage;
    int status;
    for (;;) {
        pid_t pid = wait4(child->pid, &status, WNOHANG, &usage);
        if (pid == child->pid && WIFSTOPPED(status)) on_stop(child, run, status);
        else if (pid == child->pid || (pid < 0 && errno == ECHILD)) break;
        else sleep_until_news(on_time(child, run));
    }
    double wall = run_now() - child->started - child->paused;
    if (read(child->failed, &run->error, sizeof run->error) == sizeof run->error) run->trouble = TROUBLE_EXEC;
    close(child->failed);
    run->status = status;
    run->user = seconds_of(usage.ru_utime);
    run->system = seconds_of(usage.ru_stime);
    run->peak_kib = (double)usage.ru_maxrss;
    run->faults = (double)(usage.ru_minflt + usage.ru_majflt);
    if (!run->trouble && run->is_looked_at && !child->is_mapped) run->trouble = TROUBLE_NOT_MAPPED;
    return wall;
}

/* --- what it said --- */

static int memory_file(void) { return memfd_create("measure", MFD_CLOEXEC); }

static size_t file_size(int fd)
{
    struct stat stat;
    return fd >= 0 && fstat(fd, &stat) == 0 ? (size_t)stat.st_size : 0;
}

/* The whole file, readable until munmap; NULL when empty. */
static const char *contents(int fd)
{
    size_t size = file_size(fd);
    void *map = size ? mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
    return map == MAP_FAILED ? NULL : map;
}

static void forget(const char *contents, int fd)
{
    if (contents) munmap((void *)(size_t)contents, file_size(fd));
}

bool run_same_output(int a, int b)
{
    size_t size = file_size(a);
    const char *x = contents(a), *y = contents(b);
    bool is_same = size == file_size(b) && (size == 0 || (x && y && memcmp(x, y, size) == 0));
    forget(x, a);
    forget(y, b);
    return is_same;
}

static void note_last_words(int err, struct run *run)
{
    const char *text = contents(err);
    size_t end = file_size(err), n;
    if (!text) return;
    while (end && text[end - 1] == '\n') end--;
    size_t start = end;
    while (start && text[start - 1] != '\n') start--;
    n = end - start < sizeof run->last_words - 1 ? end - start : sizeof run->last_words - 1;
    memcpy(run->last_words, text + start, n);
    run->last_words[n] = 0;
    forget(text, err);
}

/* The N of a line `figure N ns/op`; 0 if there is none. */
static double figure_in(int out, const char *figure)
{
    size_t left = file_size(out), n = strlen(figure);
    const char *text = contents(out), *line = text;
    double value = 0;
    while (line && left) {
        const char *end = memchr(line, '\n', left);
        size_t length = end ? (size_t)(end - line) + 1 : left;
        if (length > n + 1 && memcmp(line, figure, n) == 0 && line[n] == ' ') value = strtod(line + n + 1, NULL);
        line += length;
        left -= length;
    }
    forget(text, out);
    return value;
}

/* --- one run --- */

static int shell(const char *command)
{
    pid_t pid = fork();
    int status;
    if (pid == 0) {
        unblock_signals();
        unsetenv("LD_PRELOAD");
        redirect(open("/dev/null", O_RDWR | O_CLOEXEC), STDIN_FILENO);
        redirect(STDERR_FILENO, STDOUT_FILENO);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return -1;
    return status;
}

static void run_program(const struct plan *plan, char **command, const char *library, bool is_sampled, int err, struct run *run)
{
    struct child child = {.library = library, .is_sampled = is_sampled};
    if (!start(&child, plan, command, run->output, err)) {
        run->trouble = TROUBLE_EXEC;
        run->error = errno;
        return;
    }
    run->wall = finish(&child, run);
    end_family(child.pid);
}

/* Lets a child go on that stands still. False: it has ended. */
static bool attend(struct child *child, struct run *run)
{
    int status;
    for (;;) {
        siginfo_t info = {.si_pid = 0};
        if (waitid(P_PID, (id_t)child->pid, &info, WEXITED | WSTOPPED | WNOHANG | WNOWAIT) != 0) return false;
        if (info.si_pid == 0) return true;
        if (info.si_code != CLD_TRAPPED && info.si_code != CLD_STOPPED) return false;
        if (waitpid(child->pid, &status, WNOHANG) == child->pid && WIFSTOPPED(status)) on_stop(child, run, status);
    }
}

/* And then looks whether the library is mapped; a server is traced neither before, when it may be asked whether it is ready, nor while
 * it is measured. */
static bool wait_until_ready(const struct plan *plan, struct child *server, struct run *run)
{
    double until = run_now() + READY_WITHIN;
    while (plan->ready && shell(plan->ready) != 0) {
        if (run_interrupted || run_now() > until || !attend(server, run)) return false;
        usleep(20000);
    }
    trace(server);
    for (int i = 0; i < 50 && server->is_traced; i++) {
        ptrace(PTRACE_INTERRUPT, server->pid, NULL, NULL);
        usleep(10000);
        if (!attend(server, run)) return false;
    }
    return true;
}

/* The server under the allocator, the client without: its time, the server's memory. */
static void run_server(const struct plan *plan, const char *library, bool is_sampled, int err, struct run *run)
{
    struct run client = {.output = run->output};
    struct child server = {.library = library, .is_server = true}, load = {.library = NULL};
    struct plan alone = *plan;
    alone.timeout = 0;
    if (!start(&server, &alone, plan->server, err, err)) {
        run->trouble = TROUBLE_EXEC;
        run->error = errno;
        return;
    }
    if (!wait_until_ready(plan, &server, run)) run->trouble = TROUBLE_READY;
    else if (server.is_traced) run->trouble = TROUBLE_NOT_MAPPED;
    if (!run->trouble && start(&load, plan, plan->command, run->output, err)) {
        run->wall = finish(&load, &client);
        if (client.trouble) run->trouble = client.trouble;
        else if (client.status != 0) run->trouble = TROUBLE_CLIENT;
        if (is_sampled) sample(server.pid, run);
    }
    kill(-server.pid, SIGTERM);
    server.deadline = run_now() + STOP_WITHIN;
    enum trouble trouble = run->trouble;
    run->trouble = TROUBLE_NONE;
    finish(&server, run);
    run->trouble = trouble; /* that it had to be killed is nobody's fault */
    bool is_ended = WIFSIGNALED(run->status) && (WTERMSIG(run->status) == SIGTERM || WTERMSIG(run->status) == SIGKILL);
    if (is_ended) run->status = 0;
    else if (WIFSIGNALED(run->status) && trouble == TROUBLE_CLIENT)
        run->trouble = TROUBLE_NONE; /* the server's own end says more */
    end_family(server.pid);
}

void run_once(const struct plan *plan, const char *library, bool is_sampled, struct run *run)
{
    int err = memory_file();
    *run = (struct run){.output = memory_file()};
    if (plan->prepare && shell(plan->prepare) != 0) run->trouble = TROUBLE_PREPARE;
    else if (plan->server) run_server(plan, library, is_sampled, err, run);
    else run_program(plan, plan->command, library, is_sampled, err, run);
    note_last_words(err, run);
    close(err);
    bool is_whole = !run->trouble && WIFEXITED(run->status);
    if (is_whole && plan->figure && (run->wall = figure_in(run->output, plan->figure)) <= 0) run->trouble = TROUBLE_NO_FIGURE;
}
