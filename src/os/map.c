#include "map.h"
#include "sys.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

static const long PROTECTION = PROT_READ | PROT_WRITE, PRIVATE = MAP_PRIVATE | MAP_ANONYMOUS;

enum os_answer os_map_here(void *address, size_t nbytes)
{
    long at = os_call(SYS_mmap, (long)address, (long)nbytes, PROTECTION, PRIVATE, -1, 0);
    if (at == (long)address) return OS_DONE;
    if (at < 0 && at > -4096) return OS_REFUSED;
    os_call(SYS_munmap, at, (long)nbytes, 0, 0, 0, 0);
    return OS_TAKEN;
}

void os_advise(void *address, size_t nbytes, bool is_huge)
{
    os_call(SYS_madvise, (long)address, (long)nbytes, is_huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE, 0, 0, 0);
}

bool os_discard(void *address, size_t nbytes)
{
    return os_call(SYS_madvise, (long)address, (long)nbytes, MADV_DONTNEED, 0, 0, 0) == 0;
}

bool os_replace(void *address, size_t nbytes)
{
    return os_call(SYS_mmap, (long)address, (long)nbytes, PROTECTION, PRIVATE | MAP_FIXED, -1, 0) == (long)address;
}

bool os_move(void *from, void *to, size_t nbytes)
{
    long flags = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP;
    return os_call(SYS_mremap, (long)from, (long)nbytes, (long)nbytes, flags, (long)to, 0) == (long)to;
}

bool os_wipe_on_fork(void *page, size_t nbytes)
{
    return os_call(SYS_madvise, (long)page, (long)nbytes, MADV_WIPEONFORK, 0, 0, 0) == 0;
}
