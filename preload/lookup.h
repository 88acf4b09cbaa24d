/* lookup.h - dlsym, past whoever takes it over. */
#ifndef MSPACE_LOOKUP_H
#define MSPACE_LOOKUP_H

#include "../src/base/base.h"

/* As libc's own dlsym answers this library, whoever has taken dlsym over. May allocate, and takes the loader's lock. */
void *lookup(void *scope, const char *name);

/* The next definition behind ours, or NULL. */
void *lookup_next(const char *name);

#endif
