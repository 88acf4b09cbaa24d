/* lookup.h - dlsym behind whoever takes it over: what this library asks, and what others are told. */
#ifndef MSPACE_LOOKUP_H
#define MSPACE_LOOKUP_H

#include "../src/base/base.h"

/* As libc's own dlsym answers this library, whoever has taken dlsym over. May allocate, and takes the loader's lock. */
void *lookup(void *scope, const char *name);

/* The next definition behind ours, or NULL. */
void *lookup_next(const char *name);

/* Whether it is a function of libc's malloc that this library takes over. Such a one of ours is found in RTLD_DEFAULT. */
bool lookup_is_family(const char *name);

#endif
