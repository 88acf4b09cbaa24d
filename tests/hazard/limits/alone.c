/* alone.c: what surrounds a process is gone or is not what it was: descriptors, standard error, memory that may be unlocked, the
 * layout.
 *
 *     alone descriptors     H52: RLIMIT_NOFILE 0, none open: all is served
 *     alone datafile        H52: standard error is somebody's data: with on_error=ignore, and bad options, crimes leave it as it is;
 *                           as a rule a crime adds one line, just before it aborts
 *     alone locked          H54: under mlockall(MCL_CURRENT | MCL_FUTURE) nothing can be given back; calloc reads zero all the same
 *     alone memlock         H54: and with RLIMIT_MEMLOCK, not root: NULL and ENOMEM, nothing is lost
 *     alone low             H59: no block has an address of 2^47 or more, in whatever layout it is started
 */
#include "api.h"
#include "support.h"

#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

static bool is_all(const char *p, size_t size, int with)
{
    return size == 0 || (p[0] == (char)with && memcmp(p, p + 1, size - 1) == 0);
}

static uintptr_t highest;

static char *had(void *p, size_t size)
{
    require(p != NULL, "no %zu bytes: errno %d\n", size, errno);
    if ((uintptr_t)p + size > highest) highest = (uintptr_t)p + size;
    return p;
}

static void kinds(size_t most)
{
    for (size_t size = 1; size < most; size = size * 3 / 2 + 1) {
        char *a = had(api_malloc(size), size), *c = had(api_memalign(4096, size), size);
        memset(a, 1, size), memset(c, 2, size);
        api_free(a);
        char *b = had(api_calloc(1, size), size);
        require(is_all(b, size, 0), "calloc of %zu bytes is not zero\n", size);
        memset(b, 3, size);
        b = had(api_realloc(b, size * 2), size * 2);
        require(is_all(b, size, 3) && is_all(c, size, 2), "a block has changed\n");
        api_free(c);
        api_free(b);
    }
    if (api_is_mspace()) api_trim(0);
}

static void *in_thread(void *unused)
{
    kinds(100000);
    return unused;
}

static void descriptors(void)
{
    struct rlimit none = {0, 0};
    for (int fd = 0; fd < 256; fd++) close(fd);
    if (setrlimit(RLIMIT_NOFILE, &none) != 0) _exit(77);
    pthread_t other;
    kinds(10000000);
    if (pthread_create(&other, NULL, in_thread, NULL) != 0 || pthread_join(other, NULL) != 0) _exit(4);
    kinds(10000000);
}

/* --- standard error is a data file --- */

static const char data[] = "precious data, one line of it\n";

static void commit_crimes(void)
{
    char *a = api_malloc(100), *volatile b = a, *large = api_malloc(1000000), *volatile c = large;
    api_free(a);
    api_free(b);
    api_free(large);
    api_free(c);
    api_free(malloc(100) + 16);
    require(api_realloc(c, 100) == NULL, "realloc of a freed block\n");
    char *d = api_malloc(40), *volatile e = d;
    api_free(d);
    memset(e, 0x41, 8); /* written to after it was freed */
    for (int i = 0; i < 3000; i++)
        if (!api_malloc(40)) _exit(5);
    require(api_malloc(SIZE_MAX / 2) == NULL, "the impossible\n");
}

/* Runs itself with standard error on a file of data; returns what is there behind the data. */
static const char *behind_data(const char *conf, int *status)
{
    static char text[4096];
    int file = memfd_create("data", 0);
    require(file >= 0 && write(file, data, sizeof data - 1) == (ssize_t)sizeof data - 1, "no file\n");
    pid_t child = fork();
    if (child == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        dup2(file, STDERR_FILENO);
        setenv("MSPACE_CONF", conf, 1);
        execl("/proc/self/exe", "alone", "crimes", (char *)NULL);
        _exit(127);
    }
    require(child > 0 && waitpid(child, status, 0) == child, "no child\n");
    ssize_t n = pread(file, text, sizeof text - 1, 0);
    require(n >= (ssize_t)sizeof data - 1 && memcmp(text, data, sizeof data - 1) == 0, "the data has been overwritten\n");
    text[n] = '\0';
    return text + sizeof data - 1;
}

static void datafile(void)
{
    static const char *const quiet[] = {"on_error=ignore", "on_error=ignore,mode=hardened,nonsense=1,dirty=much,mode=odd,limit=x",
                                        "on_error=ignore,helper=1,huge=-1"};
    int status;
    for (int i = 0; i < 3; i++) {
        const char *more = behind_data(quiet[i], &status);
        require(status == 0 && !*more, "%s: wait status %x, %s\n", quiet[i], (unsigned)status, *more ? more : "silent");
    }
    const char *line = behind_data("", &status);
    require(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "wait status %x after a double free\n", (unsigned)status);
    require(strncmp(line, "mspace[", 7) == 0 && strchr(line, '\n') == line + strlen(line) - 1, "not one line: %s\n", line);
}

/* --- locked --- */

static void dirty_then_zero(void)
{
    for (int round = 0; round < 3; round++)
        for (size_t size = 100; size < 30000000; size *= 3) {
            char *p[8];
            size_t n = size > 1000000 ? 2 : 8;
            for (size_t i = 0; i < n; i++) memset(p[i] = had(api_malloc(size), size), 0xff, size);
            for (size_t i = 0; i < n; i++) api_free(p[i]);
            if (api_is_mspace()) api_trim(0);
            for (size_t i = 0; i < n; i++) {
                p[i] = had(api_calloc(1, size), size);
                require(is_all(p[i], size, 0), "calloc of %zu bytes is not zero\n", size);
            }
            for (size_t i = 0; i < n; i++) memset(p[i], 0xff, size), api_free(p[i]);
        }
}

static void locked(void)
{
    char *before = had(api_malloc(20000000), 20000000);
    memset(before, 7, 20000000);
    if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0) say("mlockall: errno %d\n", errno), _exit(77);
    dirty_then_zero();
    kinds(20000000);
    before = had(api_realloc(before, 50000000), 50000000); /* locked pages may not be moved, on some kernels */
    require(is_all(before, 20000000, 7), "realloc lost something\n");
    api_free(before);
    munlockall();
    dirty_then_zero();
}

static void memlock(void)
{
    static char *blocks[1000];
    struct rlimit some;
    long n = 0;
    getrlimit(RLIMIT_MEMLOCK, &some);
    if (some.rlim_max > 64 << 20) some.rlim_max = 64 << 20;
    some.rlim_cur = some.rlim_max;
    bool is_ordinary = setrlimit(RLIMIT_MEMLOCK, &some) == 0 && (getuid() != 0 || (setgid(65534) == 0 && setuid(65534) == 0));
    if (!is_ordinary) say("cannot be an ordinary user: errno %d\n", errno), _exit(77);
    if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0) say("mlockall: errno %d\n", errno), _exit(77);
    for (int round = 0; round < 3; round++) {
        long got = 0;
        while (got < 1000 && (errno = 0, blocks[got] = api_malloc(1000000)) != NULL)
            memset(blocks[got], (int)(got & 0x7f), 1000000), got++;
        require(got < 1000 && errno == ENOMEM, "%ld MB in spite of the limit, errno %d\n", got, errno);
        require(api_realloc(blocks[0], 900000000) == NULL && errno == ENOMEM, "realloc beyond the limit\n");
        for (long i = 0; i < got; i++) {
            require(is_all(blocks[i], 1000000, (int)(i & 0x7f)), "block %ld has changed\n", i);
            api_free(blocks[i]);
        }
        require(round == 0 || got >= n - n / 8 - 1, "%ld MB, and when they are free %ld\n", n, got);
        n = got;
    }
    char *p = had(api_calloc(1, 500000), 500000);
    require(is_all(p, 500000, 0), "calloc is not zero\n");
    api_free(p);
}

static void low(void)
{
    kinds(1000000);
    for (size_t size = 1 << 20; size <= (size_t)1 << 30; size *= 2) api_free(had(api_malloc(size), size));
    pthread_t other;
    require(pthread_create(&other, NULL, in_thread, NULL) == 0 && pthread_join(other, NULL) == 0, "no thread\n");
    say("highest %#lx\n", (unsigned long)highest);
    require(highest < (uintptr_t)1 << 47, "a block beyond 47 bits\n");
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } promises[] = {{"descriptors", descriptors}, {"datafile", datafile}, {"crimes", commit_crimes},
                    {"locked", locked},           {"memlock", memlock},   {"low", low}};
    watchdog(100);
    for (size_t i = 0; argc > 1 && i < sizeof promises / sizeof *promises; i++) {
        if (strcmp(promises[i].name, argv[1]) != 0) continue;
        promises[i].run();
        return strcmp(argv[1], "crimes") != 0 && api_verify() != 0;
    }
    fail("usage: alone descriptors|datafile|locked|memlock|low\n");
}
