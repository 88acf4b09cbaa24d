/* tls_module.c: a module with thread-local storage of a kilobyte, which libc allocates when a thread first touches it. */
#include <stddef.h>

__attribute__((visibility("default"))) void *module_touch(size_t byte);

static __thread char block[1024];

void *module_touch(size_t byte)
{
    block[byte % sizeof block]++;
    return block;
}
