/* startup.c: start-up in page faults and anonymous memory, against the same command with an empty shared object preloaded.
 *
 *   startup LIBRARY EMPTY */
#include "support.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { NRUNS = 30, FAULTS_MAX = 12, ANONYMOUS_MAX = 50 };

struct cost {
    long faults;        /* minor page faults of `cat`, exec to exit */
    long anonymous;     /* KiB, as `cat` itself sees it */
};

/* Runs `cat /proc/self/smaps_rollup` with `library` preloaded; at the read its memory is what it will be at exit. */
static struct cost run_once(char *library)
{
    int ends[2], status;
    char text[4096];
    size_t length = 0;
    require(pipe(ends) == 0, "pipe: errno %d\n", errno);
    pid_t child = fork();
    if (child == 0) {
        char preload[4200];
        snprintf(preload, sizeof preload, "LD_PRELOAD=%s", library);
        char *argv[] = {(char[]){"cat"}, (char[]){"/proc/self/smaps_rollup"}, NULL};
        char *environment[] = {preload, (char[]){"LC_ALL=C"}, NULL};
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execve("/bin/cat", argv, environment);
        _exit(127);
    }
    close(ends[1]);
    for (ssize_t n; (n = read(ends[0], text + length, sizeof text - 1 - length)) > 0;) length += (size_t)n;
    close(ends[0]);
    text[length] = '\0';
    struct rusage usage;
    require(wait4(child, &status, 0, &usage) == child && status == 0, "cat failed with %s\n", library);
    const char *line = strstr(text, "Anonymous:");
    require(line != NULL, "no smaps_rollup in this kernel\n");
    return (struct cost){usage.ru_minflt, strtol(line + strlen("Anonymous:"), NULL, 10)};
}

/* The least of several runs: what else happens only adds. */
static struct cost least(char *library)
{
    struct cost cost = run_once(library);
    for (int i = 1; i < NRUNS; i++) {
        struct cost next = run_once(library);
        if (next.faults < cost.faults) cost.faults = next.faults;
        if (next.anonymous < cost.anonymous) cost.anonymous = next.anonymous;
    }
    return cost;
}

int main(int argc, char **argv)
{
    require(argc == 3, "usage: startup LIBRARY EMPTY\n");
    watchdog(60);
    struct cost ours = least(argv[1]), empty = least(argv[2]);
    say("page faults: %ld, %ld with an empty library: %ld more, at most %d\n", ours.faults, empty.faults,
        ours.faults - empty.faults, FAULTS_MAX);
    say("anonymous memory: %ld KiB, %ld with an empty library: %ld more, at most %d\n", ours.anonymous, empty.anonymous,
        ours.anonymous - empty.anonymous, ANONYMOUS_MAX);
    return ours.faults - empty.faults > FAULTS_MAX || ours.anonymous - empty.anonymous > ANONYMOUS_MAX;
}
