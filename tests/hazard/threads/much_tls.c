/* much_tls.c: a program with more static thread-local storage than a small stack has room for, which is taken of it. helper=1 has
 * its thread all the same. */
#include "api.h"
#include "support.h"

#include <dirent.h>

static __thread volatile char much[200000];

int main(void)
{
    int nthreads = -2; /* . and .. */
    much[1] = 1;
    api_free(api_malloc(10));
    DIR *threads = opendir("/proc/self/task");
    require(threads != NULL, "no /proc\n");
    while (readdir(threads)) nthreads++;
    require(nthreads == 2, "%d threads, not this one and the helper\n", nthreads);
    return 0;
}
