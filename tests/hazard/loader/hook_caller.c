/* hook_caller.c: what hook.sh must refuse: a preloaded library that calls one of the hooks by name as it starts. */
#include <time.h>

__attribute__((constructor)) static void start(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
}
