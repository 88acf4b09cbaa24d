/* too_much.c: a request that is refused takes nothing of the address space with it: what fitted before fits afterwards. */
#include "api.h"
#include "support.h"

#include <sys/resource.h>

int main(void)
{
    struct rlimit limit = {(rlim_t)4 << 30, (rlim_t)4 << 30};
    void *first = api_malloc(1000);
    require(setrlimit(RLIMIT_AS, &limit) == 0, "setrlimit\n");
    for (size_t gib = 5; gib < 4000; gib = gib * 3 / 2) {
        errno = 0;
        require(api_malloc(gib << 30) == NULL && errno == ENOMEM, "%zu GiB of 4\n", gib);
        require(api_memalign(gib << 30, 1) == NULL, "1 byte aligned to %zu GiB\n", gib);
    }
    void *p = api_malloc((size_t)2 << 30);
    require(p != NULL, "2 GiB of 4 are refused after requests for more\n");
    api_free(p);
    api_free(first);
    return 0;
}
