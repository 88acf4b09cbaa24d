/* sys.h - the one gateway to the kernel.
 *
 * Raw system calls, so that an interposed mmap or a hook that allocates can never re-enter the allocator, errno is never touched,
 * and a test can make the k-th call of a kind fail. Only these are ever made: mmap (private, anonymous; plain hints, MAP_FIXED
 * over our own range only), munmap, mremap, madvise, futex (private), brk to ask where the break is, getpid and gettid in a child
 * of a bare clone, write before an abort or when asked to speak, rt_sigprocmask and rt_sigaction if an abort does not end the
 * process (crime.c); at start, if a file of defaults is to be read (options.h), openat, read and close; in a dlopen with
 * RTLD_DEEPBIND lseek, close, mmap of the file, mprotect of relocations. Any thread, async-signal-safe. */
#ifndef MSPACE_SYS_H
#define MSPACE_SYS_H

#include "../base/base.h"

/* Returns the kernel's answer: at least 0, or -errno. */
long os_call(long number, long a, long b, long c, long d, long e, long f);

#endif
