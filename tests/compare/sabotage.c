/* sabotage.c: a preload library that does its program some harm, by its file's name: crash, print or hang. */
#include "support.h"

#include <dlfcn.h>

__attribute__((constructor)) static void harm(void)
{
    static const char text[] = "not the program's own\n", last[] = "sabotage: on purpose\n";
    Dl_info own;
    if (!dladdr(text, &own)) return;
    if (strstr(own.dli_fname, "crash")) {
        if (write(STDERR_FILENO, last, sizeof last - 1) < 0) _exit(1);
        abort();
    }
    if (strstr(own.dli_fname, "print") && write(STDOUT_FILENO, text, sizeof text - 1) < 0) _exit(1);
    if (strstr(own.dli_fname, "hang")) pause();
    if (strstr(own.dli_fname, "status")) _exit(7);
}
