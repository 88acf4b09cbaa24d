/* taken.c: a program that has taken terabytes of its address space before it allocates for the first time, as sanitizers and
 * emulators do: malloc finds another place. Ours draws its place at random, so the program is started again and again. */
#include "api.h"
#include "support.h"

#include <sys/wait.h>

enum { NRUNS = 24 };

static int child(uintptr_t at)
{
    size_t nbytes = (size_t)4 << 40;
    void *p = mmap((void *)at, nbytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (p == MAP_FAILED) return errno == EEXIST ? 0 : 77; /* where something is already; no such addresses */
    void *blocks[100];
    for (size_t i = 0; i < 100; i++) {
        blocks[i] = malloc(i * i * 200 + 1);
        require(blocks[i] != NULL, "malloc with 4 TiB taken at %p: NULL\n", p);
        memset(blocks[i], 1, i * i * 200 + 1);
    }
    for (int i = 0; i < 100; i++) free(blocks[i]);
    require(api_verify() == 0, "broken laws\n");
    return 0;
}

int main(int argc, char **argv)
{
    static char at[20];
    char *arguments[] = {argv[0], at, NULL};
    if (argc == 2) return child(strtoul(argv[1], NULL, 16));
    watchdog(60);
    for (int i = 0; i < NRUNS; i++) {
        int status;
        snprintf(at, sizeof at, "%lx", 0x580000000000ul + (unsigned long)(i % 4) * 0x40000000000ul);
        pid_t pid = fork();
        if (pid == 0) execv("/proc/self/exe", arguments), _exit(1);
        require(waitpid(pid, &status, 0) == pid, "waitpid\n");
        if (WEXITSTATUS(status) == 77) return 77;
        require(status == 0, "status %x\n", status);
    }
    say("started %d times\n", NRUNS);
    return 0;
}
