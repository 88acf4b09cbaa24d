/* unit.h: a program of unit tests. Each test has the name of a promise and runs in a process of its own, fresh from exec.
 *
 *   program              all tests
 *   program TEST [SEED]  one of them, in this process
 *
 * The programs are linked with the allocator itself and interpose nothing: malloc here is libc's, alloc_malloc ours. */
#ifndef TESTS_UNIT_UNIT_H
#define TESTS_UNIT_UNIT_H

#include "direct.h"
#include "support.h"

#include <errno.h>
#include <sys/wait.h>

struct unit_test {
    const char *promise;
    void (*run)(void);
};

#define PROMISE(name) {#name, name}

/* The argument behind the test's name, or NULL. */
static const char *unit_argument __attribute__((unused));

/* Runs `program promise argument`; returns its wait status. */
static inline int unit_run(const char *promise, const char *argument)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        execl("/proc/self/exe", "unit", promise, argument, (char *)NULL);
        _exit(127);
    }
    require(waitpid(child, &status, 0) == child, "waitpid: errno %d\n", errno);
    return status;
}

static inline int unit_main(const struct unit_test *tests, int argc, char **argv)
{
    int nbroken = 0;
    for (const struct unit_test *test = tests; test->promise; test++) {
        if (argc > 1 && strcmp(argv[1], test->promise) == 0) {
            unit_argument = argc > 2 ? argv[2] : NULL;
            watchdog(120);
            test->run();
            return 0;
        }
        if (argc > 1) continue;
        int status = unit_run(test->promise, NULL);
        say("%-60s %s\n", test->promise, status == 0 ? "kept" : "BROKEN");
        nbroken += status != 0;
    }
    if (argc > 1) fail("no test is called %s\n", argv[1]);
    return nbroken != 0;
}

#define UNIT_MAIN(...)                                                          \
    int main(int argc, char **argv)                                             \
    {                                                                           \
        static const struct unit_test tests[] = {__VA_ARGS__, {NULL, NULL}};    \
        return unit_main(tests, argc, argv);                                    \
    }

/* Whether n bytes are all `value`. */
static inline bool is_filled(const void *p, size_t n, int value)
{
    const unsigned char *bytes = p;
    return n == 0 || (bytes[0] == (unsigned char)value && memcmp(bytes, bytes + 1, n - 1) == 0);
}

#endif
