/* deepbind.h - plugins opened with RTLD_DEEPBIND, whose own malloc would be libc's. */
#ifndef MSPACE_DEEPBIND_H
#define MSPACE_DEEPBIND_H

#include "../src/base/base.h"

/* The real dlopen. */
void *next_dlopen(const char *path, int flags);

/* Whether some object has been opened with the flag on: its blocks are libc's, and may reach our free. */
bool deepbind_is_kept(void);

#endif
