#include "map.h"
#include "sys.h"

#include <errno.h>
#include <stdatomic.h>
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
    os_unmap((void *)at, nbytes);
    return OS_TAKEN;
}

void os_unmap(void *address, size_t nbytes) { os_call(SYS_munmap, (long)address, (long)nbytes, 0, 0, 0, 0); }

void os_advise(void *address, size_t nbytes, bool is_huge)
{
    os_call(SYS_madvise, (long)address, (long)nbytes, is_huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE, 0, 0, 0);
}

void os_populate(uintptr_t from, uintptr_t to)
{
    static _Atomic(bool) is_refused;
    from = round_up(from, 4096), to = round_up(to, 4096);
    if (from >= to || atomic_load_explicit(&is_refused, memory_order_relaxed)) return;
    long answer = os_call(SYS_madvise, (long)from, (long)(to - from), 23 /* MADV_POPULATE_WRITE, since Linux 5.14 */, 0, 0, 0);
    if (answer < 0 && answer != -ENOMEM) atomic_store_explicit(&is_refused, true, memory_order_relaxed);
}

bool os_populate_to_read(const void *page)
{
    return os_call(SYS_madvise, (long)page, 4096, 22 /* MADV_POPULATE_READ */, 0, 0, 0) == 0;
}

/* Some answer yes and do nothing (emulators and recorders of user programs): until it has been seen done, a mark tells. */
bool os_discard(void *address, size_t nbytes)
{
    static _Atomic(bool) is_true;
    volatile char *mark = address;
    bool is_known = atomic_load_explicit(&is_true, memory_order_relaxed);
    char before = 0;
    if (!is_known) before = *mark, *mark = 1;
    bool is_done = os_call(SYS_madvise, (long)address, (long)nbytes, MADV_DONTNEED, 0, 0, 0) == 0;
    if (is_known) return is_done;
    if (!is_done || *mark) return *mark = before, false;
    atomic_store_explicit(&is_true, true, memory_order_relaxed);
    return true;
}

bool os_replace(void *address, size_t nbytes)
{
    return os_call(SYS_mmap, (long)address, (long)nbytes, PROTECTION, PRIVATE | MAP_FIXED, -1, 0) == (long)address;
}

bool os_is_mapped(const void *address, size_t nbytes)
{
    /* MADV_NORMAL changes nothing, and so there is no other reason to refuse it */
    return os_call(SYS_madvise, (long)address, (long)nbytes, MADV_NORMAL, 0, 0, 0) != -ENOMEM;
}

/* What a limit refuses here mremap would refuse when it has unmapped the target. */
static bool may_map(void)
{
    long page = os_call(SYS_mmap, 0, 4096, PROTECTION, PRIVATE, -1, 0);
    if (page < 0 && page > -4096) return false;
    os_unmap((void *)page, 4096);
    return true;
}

bool os_move(void *from, void *to, size_t nbytes)
{
    if (!may_map()) return false;
    long flags = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP;
    return os_call(SYS_mremap, (long)from, (long)nbytes, (long)nbytes, flags, (long)to, 0) == (long)to;
}

void os_wipe_on_fork(void *page, size_t nbytes) { os_call(SYS_madvise, (long)page, (long)nbytes, MADV_WIPEONFORK, 0, 0, 0); }
