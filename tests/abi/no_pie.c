/* A program at a fixed address that takes malloc's and free's addresses is served by the library: the stub through which it
 * calls, which everybody's references are then bound to, is not taken for a malloc of its own. */
#include "support.h"

#include <dlfcn.h>

int main(void)
{
    void *(*volatile take)(size_t) = malloc;
    void (*volatile give)(void *) = free;
    int (*release)(void *);
    void *kept = take(100), *given = take(100);
    give(given);
    *(void **)&release = dlsym(RTLD_DEFAULT, "mspacer"); /* a weak reference would be bound to nothing at link time */
    require(release != NULL, "libmspace is not loaded\n");
    require(release(kept) == 0, "a block of malloc's is not libmspace's: it has stepped aside\n");
    return 0;
}
