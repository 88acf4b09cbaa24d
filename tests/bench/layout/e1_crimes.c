/* e1_crimes.c - E1, the other half: what does each variant notice, and when?
 *
 * Each crime runs in a child. `at once`: the guilty free aborted. `later`: a following malloc, or the release of the span, did
 * so before a block was in two hands. `MISSED`: neither. A full span is one that frees reach while another is current. */
#include <sys/wait.h>
#include <unistd.h>

#include "stub.h"

enum { SIZE = 512, PER_SPAN = 65536 / SIZE };
static volatile int *phase; /* shared with the child: 1 once the guilty free came back */
static void *v[3 * PER_SPAN];

/* Hands out more blocks than the frees gave back and looks for one handed out twice. */
static void malloc_all(void)
{
    static void *seen[4 * PER_SPAN];
    *phase = 1;
    for (size_t i = 0; i < 4 * PER_SPAN; i++) {
        seen[i] = stub_malloc(SIZE);
        for (size_t k = 0; k < i; k++)
            if (seen[k] == seen[i]) _exit(1);
    }
}

static void fill(void)
{
    for (size_t i = 0; i < 3 * PER_SPAN; i++) v[i] = stub_malloc(SIZE);
}
static void twice_running(void)
{
    void *p = stub_malloc(SIZE);
    stub_free(p), stub_free(p);
}
static void one_between(void)
{
    void *p = stub_malloc(SIZE), *q = stub_malloc(SIZE);
    stub_free(p), stub_free(q), stub_free(p);
}
static void twice_in_full_span(void)
{
    fill();
    stub_free(v[0]), stub_free(v[1]), stub_free(v[0]), *phase = 1;
    for (size_t i = 2; i < PER_SPAN / 2; i++) stub_free(v[i]); /* so that the span is available again */
}

static void written_after_free(void)
{
    void *p = stub_malloc(SIZE);
    stub_free(p);
    *(char **)p += 64;
}

/* All blocks of a span but one are freed, one of them twice: by the count the span is empty, yet v[5] is live. */
static void count_inflated(void)
{
    fill();
    for (size_t i = 0; i < PER_SPAN; i++)
        if (i != 5) stub_free(v[i]);
    stub_free(v[0]);
    *phase = 1;
    for (size_t i = 0; i < PER_SPAN; i++)
        if (stub_malloc(SIZE) == v[5]) _exit(1);
}

int main(void)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } crimes[] = {{"twice_running", twice_running},
                  {"one_between", one_between},
                  {"twice_in_full_span", twice_in_full_span},
                  {"count_inflated", count_inflated},
                  {"written_after_free", written_after_free}};
    phase = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; i < sizeof crimes / sizeof *crimes; i++) {
        *phase = 0;
        pid_t pid = fork();
        if (pid == 0) {
            if (!freopen("/dev/null", "w", stderr)) _exit(2);
            stub_init();
            crimes[i].run();
            malloc_all();
            _exit(0);
        }
        int status;
        waitpid(pid, &status, 0);
        bool caught = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
        printf("%s %s\n", crimes[i].name, !caught ? "MISSED" : *phase ? "later" : "at-once");
    }
    return 0;
}
