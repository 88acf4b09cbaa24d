/* rebind.h - references to libc's malloc, made ours after the loader has bound them. */
#ifndef MSPACE_REBIND_H
#define MSPACE_REBIND_H

#include "../src/base/base.h"

/* Of the object that `handle` stands for and of what was loaded with it. Returns the handle; NULL for NULL. Takes the loader's lock. */
void *rebind_newcomers(void *handle);

#endif
