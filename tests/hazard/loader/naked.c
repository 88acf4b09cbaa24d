/* naked.c: linked to the library, so that it is there without LD_PRELOAD: started with no environment, no arguments, and with a
 * hostile one; and an environment that the program clears, or takes away, before it allocates. */
#include "api.h"
#include "support.h"

#include <sys/wait.h>

extern const char *mspace_version(void);

static void work(void)
{
    void *blocks[200];
    for (int i = 0; i < 200; i++) {
        blocks[i] = malloc((size_t)i * i * 7 + 1);
        require(blocks[i] != NULL, "malloc: NULL\n");
        memset(blocks[i], 1, (size_t)i * i * 7 + 1);
    }
    for (int i = 0; i < 200; i++) free(blocks[i]);
    require(api_verify() == 0, "broken laws\n");
}

/* As a program that was started with nothing: before and after it changes what it was started with. */
static int child(char **argv)
{
    work();
    require(clearenv() == 0, "clearenv\n");
    work();
    require(setenv("MSPACE_CONF", "disable=1,on_error=ignore", 1) == 0, "setenv\n"); /* too late to be taken */
    work();
    environ = NULL;
    work();
    if (argv) argv[0] = NULL;
    work();
    void *late = malloc(3 << 20);
    free(late);
    return 0;
}

/* Runs this program as a child with these arguments and this environment; what it writes to standard error is counted. */
static void run(const char *what, char **argv, char **environment)
{
    int ends[2], status;
    require(pipe(ends) == 0, "pipe\n");
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        execve("/proc/self/exe", argv, environment);
        fail("execve: errno %d\n", errno);
    }
    close(ends[1]);
    char text[500] = "";
    ssize_t n = read(ends[0], text, sizeof text - 1);
    require(waitpid(pid, &status, 0) == pid && status == 0, "%s: status %x: %s\n", what, status, text);
    require(n == 0, "%s: writes %s\n", what, text);
    close(ends[0]);
    say("%s: good\n", what);
}

int main(int argc, char **argv)
{
    static char mark[] = "child", name[] = "naked", empty[] = "", conf[] = "MSPACE_CONF=";
    char *none[] = {NULL}, *hollow[] = {empty, NULL}, *plain[] = {name, mark, NULL};
    if (argc != 1 || !argv[0][0]) return child(argv);
    watchdog(60);
    require(mspace_version != NULL, "the library is not there\n");
    work();
    run("no environment", plain, none);
    run("an environment of an empty word", plain, hollow);
    run("neither arguments nor environment", none, none);
    run("neither, and both are NULL", NULL, NULL);
    run("an empty name", hollow, none);

    enum { NSTRINGS = 12, NBYTES = 100000 };
    char *huge[NSTRINGS + 4] = {conf, (char[]){"=MSPACE_CONF=help=1"}, (char[]){"MSPACE_CONFIG=help=1"}};
    for (int i = 0; i < NSTRINGS; i++) {
        huge[3 + i] = map_zeroed(NBYTES + 1);
        for (int j = 0; j < NBYTES; j++) huge[3 + i][j] = "=,'+:.9GMSPACE_CONF"[(j * (i + 1) + j / 19) % 19];
        memcpy(huge[3 + i], "MSPACE_CONF=", 12);
    }
    run("a megabyte of MSPACE_CONF", plain, huge);
    return 0;
}
