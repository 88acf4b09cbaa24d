/*
 * spawn: run a command under an allocator and tell what it cost.
 *     spawn LIBRARY COMMAND [ARGS...]
 * LIBRARY is preloaded into the command alone; `-` preloads nothing. The command's output passes through; then one line follows:
 *     spawn WALL_NS MAXRSS_KIB STATUS
 * Wall time is from before the fork to the end; peak memory is the child's own (wait4). This program stays small, because a child's peak
 * includes what its parent had resident at the fork. Ends with status 0 if the command did, else 1.
 */
#include "support.h"

#include <sys/resource.h>
#include <sys/wait.h>

int main(int argc, char **argv)
{
    struct rusage usage;
    int status;
    require(argc >= 3, "usage: spawn LIBRARY|- COMMAND [ARGS...]\n");
    uint64_t start = now_ns();
    pid_t child = fork();
    if (child == 0) {
        if (strcmp(argv[1], "-") == 0) unsetenv("LD_PRELOAD");
        else setenv("LD_PRELOAD", argv[1], 1);
        execvp(argv[2], argv + 2);
        fail("cannot execute %s\n", argv[2]);
    }
    require(child > 0 && wait4(child, &status, 0, &usage) == child, "cannot fork\n");
    say("spawn %llu %ld %d\n", (unsigned long long)(now_ns() - start), usage.ru_maxrss,
        WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    return status != 0;
}
