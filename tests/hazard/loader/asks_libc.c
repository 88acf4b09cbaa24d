/* asks_libc.c: what a library of hooks does for whoever has one. */
#include <dlfcn.h>

void *ask_libc(const char *name);
void *ask_libc(const char *name) { return dlsym(dlopen("libc.so.6", RTLD_LAZY), name); }
