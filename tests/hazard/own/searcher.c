/* A library that opens others: what it asks for is searched for by its own RUNPATH. */
#include <dlfcn.h>

extern void *search(const char *name);
void *search(const char *name) { return dlopen(name, RTLD_NOW | RTLD_DEEPBIND); }
