#include "process.h"
#include "../base/text.h"
#include "sys.h"

#include <errno.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Set by ld.so to the cell that holds argc before glibc knows its environment. Not in a static or a musl program, where that is
 * known. */
extern void *__libc_stack_end __attribute__((weak));

/* One round of a keyed mix (the finaliser of splitmix64, Steele et al. 2014): every output bit depends on every input bit. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
    return x ^ (x >> 31);
}

static void read_random(struct os_process *process, const void *at_random)
{
    uint64_t own = (uintptr_t)process, seed[2] = {0, 0}; /* ASLR's part, should the kernel have given no AT_RANDOM */
    if (at_random) memcpy(seed, at_random, sizeof seed);
    process->random[0] = mix(seed[0] ^ mix(own));
    process->random[1] = mix(seed[1] + mix(process->random[0] ^ process->stack));
}

void os_process_read(struct os_process *process)
{
    long *argc = &__libc_stack_end ? __libc_stack_end : NULL;
    bool is_plausible = argc && *argc >= 0 && *argc <= 1L << 24 && !argc[1 + *argc];
    char **argv = is_plausible ? (char **)(argc + 1) : NULL;
    process->stack = (uintptr_t)__builtin_frame_address(0);
    process->environment = argv ? argv + *argc + 1 : environ;
    process->name = text_base_name(argv ? argv[0] : program_invocation_name);
    if (process->name && *process->name == '-') process->name++; /* a login shell's */
    process->entry = getauxval(AT_ENTRY);
    process->is_secure = getauxval(AT_SECURE) != 0; /* both libcs know it, whatever the kernel told them */
    read_random(process, (const void *)getauxval(AT_RANDOM));
}

/* --- LD_PRELOAD: file names, which colons and spaces divide (ld.so(8)) --- */

/* Behind the characters that divide, or those that do not. */
static char *skip(char *list, bool dividers)
{
    while (*list && (*list == ':' || *list == ' ') == dividers) list++;
    return list;
}

/* The next that is ours, by the file's own name; NULL there is none. */
static char *find_us(char *list)
{
    while (*(list = skip(list, true))) {
        char *end = skip(list, false), *name = end;
        while (name > list && name[-1] != '/') name--;
        if (text_behind("libmspace.so", name)) return list;
        list = end;
    }
    return NULL;
}

static char **find_preload(const struct os_process *process)
{
    for (char **entry = process->environment; entry && *entry; entry++)
        if (text_behind("LD_PRELOAD=", *entry)) return entry;
    return NULL;
}

bool os_is_preloaded(const struct os_process *process)
{
    char **entry = find_preload(process);
    return entry && find_us(*entry + 11);
}

void os_forget_preload(const struct os_process *process)
{
    char **entry = find_preload(process);
    if (!entry) return;
    for (char *us = *entry + 11; (us = find_us(us));) {
        const char *rest = skip(skip(us, false), true);
        memmove(us, rest, strlen(rest) + 1);
    }
    if (*skip(*entry + 11, true)) return;
    do entry[0] = entry[1]; /* an empty list says nothing */
    while (*entry++);
}

bool os_is_first_thread(void) { return os_call(SYS_gettid, 0, 0, 0, 0, 0, 0) == os_call(SYS_getpid, 0, 0, 0, 0, 0, 0); }
