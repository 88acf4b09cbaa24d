/* A C program that opens a C++ plugin. */
#include "support.h"

#include <dlfcn.h>

int main(int argc, char **argv)
{
    require(argc == 2, "usage: opens PLUGIN\n");
    watchdog(20);
    require(dlopen(argv[1], RTLD_NOW), "%s\n", dlerror());
    return 0;
}
