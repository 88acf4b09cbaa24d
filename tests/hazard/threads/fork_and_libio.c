/*
 * fork while other threads hold the locks of streams and allocate under them: never a deadlock.
 *
 *     fork_and_libio [seconds = 40 at full size]
 * glibc's fork takes the lock on the list of all streams after the prepare handlers have run. fflush(NULL) holds that lock and
 * waits for a stream's; getline holds its stream's and waits for malloc. An allocator that takes its locks in a prepare handler
 * closes the circle. Two threads flush all, two read lines into buffers of their own, one opens and closes memory streams, one
 * asks for malloc_info; the main thread forks as fast as it can, by fork() only, and each child allocates and uses streams.
 */
#include "../../stress/stress.h"

#include <malloc.h>
#include <pthread.h>
#include <sys/wait.h>

enum { LINE_MAX_BYTES = 40000, STALL_SECONDS = 60 };

static bool is_over;
static long nrounds; /* by all threads; atomic */

static bool goes_on(void)
{
    __atomic_fetch_add(&nrounds, 1, __ATOMIC_RELAXED);
    return !__atomic_load_n(&is_over, __ATOMIC_RELAXED);
}

static void *flush_all(void *arg)
{
    while (goes_on()) fflush(NULL);
    return arg;
}

/* Each line is longer than the one before: getline grows its buffer with the stream locked. */
static void *read_lines(void *path)
{
    while (goes_on()) {
        FILE *file = fopen(path, "r");
        char *line = NULL;
        size_t size = 0;
        require(file != NULL, "cannot open the lines\n");
        while (getline(&line, &size, file) > 0) {}
        free(line);
        fclose(file);
    }
    return NULL;
}

static void *write_memory(void *arg)
{
    while (goes_on()) {
        char *text = NULL;
        size_t size;
        FILE *file = open_memstream(&text, &size);
        require(file != NULL, "open_memstream\n");
        for (int i = 0; i < 100; i++) fprintf(file, "%d\n", i);
        fclose(file);
        free(text);
    }
    return arg;
}

static void *ask_malloc(void *arg)
{
    FILE *file = fopen("/dev/null", "w");
    require(file != NULL, "/dev/null\n");
    while (goes_on()) malloc_info(0, file);
    fclose(file);
    return arg;
}

__attribute__((noreturn)) static void child_live(char *path)
{
    watchdog(STALL_SECONDS);
    __atomic_store_n(&is_over, true, __ATOMIC_RELAXED); /* one round each */
    for (int i = 0; i < 20; i++) stamped_free(stamped_new(16 << i % 12));
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t size = 0;
    require(file != NULL && getline(&line, &size, file) > 0, "a child cannot read a line\n");
    free(line);
    fclose(file);
    _exit(0);
}

static void lines_write(char *path)
{
    int fd = mkstemp(path);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    require(file != NULL, "no temporary file\n");
    for (int n = 10; n < LINE_MAX_BYTES; n *= 2) {
        for (int i = 0; i < n; i++) fputc('x', file);
        fputc('\n', file);
    }
    fclose(file);
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : (double)scaled(40);
    char path[] = "/tmp/fork_and_libio.XXXXXX";
    void *(*const work[])(void *) = {flush_all, flush_all, read_lines, read_lines, write_memory, ask_malloc};
    enum { NTHREADS = sizeof work / sizeof *work };
    pthread_t threads[NTHREADS];
    long nforks = 0;
    watchdog(STALL_SECONDS);
    lines_write(path);
    for (int i = 0; i < NTHREADS; i++) require(pthread_create(&threads[i], NULL, work[i], path) == 0, "pthread_create\n");
    for (uint64_t end = now_ns() + (uint64_t)(seconds * 1e9); now_ns() < end; nforks++) {
        int status;
        alarm(STALL_SECONDS); /* from the last fork that came back */
        pid_t child = fork();
        if (child == 0) child_live(path);
        require(child > 0, "fork\n");
        while (waitpid(child, &status, 0) < 0) require(errno == EINTR, "waitpid\n");
        if (status != 0) unlink(path);
        require(status == 0, "child %ld ended with status %#x\n", nforks, (unsigned)status);
    }
    __atomic_store_n(&is_over, true, __ATOMIC_RELAXED);
    for (int i = 0; i < NTHREADS; i++) pthread_join(threads[i], NULL);
    unlink(path);
    say("%ld forks, %ld rounds of the others\n", nforks, nrounds);
    require(nforks >= 1 && nrounds >= NTHREADS, "nobody got anywhere\n");
    require_sound("at the end");
    return 0;
}
