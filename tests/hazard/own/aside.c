/* Who does not use the library's malloc is told of libc's by mallinfo and the like, and sets libc's by mallopt. */
#include "support.h"

#include <malloc.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

enum { NBLOCKS = 10000, NBYTES = 5000 };
static void *blocks[NBLOCKS];

static long resident_kib(void)
{
    long total, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%ld %ld", &total, &resident) != 2) return 0;
    fclose(file);
    return resident * 4;
}

/* What malloc_stats prints. */
static const char *stats(void)
{
    static char text[10000];
    int ends[2], saved = dup(STDERR_FILENO);
    require(pipe(ends) == 0, "no pipe\n");
    dup2(ends[1], STDERR_FILENO);
    malloc_stats();
    dup2(saved, STDERR_FILENO);
    return read(ends[0], text, sizeof text - 1) > 0 ? text : "";
}

int main(void)
{
    watchdog(60);
    for (int i = 0; i < NBLOCKS; i++) blocks[i] = memset(malloc(NBYTES), 1, NBYTES);
    require(mallinfo2().uordblks > (size_t)NBLOCKS * NBYTES, "mallinfo2: %zu bytes in use\n", mallinfo2().uordblks);
    require(mallinfo().uordblks > NBLOCKS * NBYTES, "mallinfo: %d bytes in use\n", mallinfo().uordblks);
    require(strstr(stats(), "Arena 0:"), "malloc_stats printed: %.100s\n", stats());
    char text[20000] = "";
    FILE *file = fmemopen(text, sizeof text, "w");
    require(file && malloc_info(0, file) == 0 && fclose(file) == 0 && strstr(text, "<heap nr=\"0\">"),
            "malloc_info wrote: %.100s\n", text);

    for (int i = 0; i < NBLOCKS - 1; i++) free(blocks[i]);
    long before = resident_kib();
    require(malloc_trim(0) == 1, "malloc_trim gave nothing back\n");
    require(resident_kib() < before - NBLOCKS * NBYTES / 2048, "malloc_trim left %ld KiB of %ld\n", resident_kib(), before);

    require(mallopt(M_PERTURB, 0x55) == 1, "mallopt\n");
    unsigned char *volatile block = malloc(300);
    require(block[200] == 0xaa, "M_PERTURB does nothing: %02x\n", block[200]);
    return 0;
}
