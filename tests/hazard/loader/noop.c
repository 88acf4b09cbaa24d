/* noop.c: for LD_AUDIT: agrees to everything. The auditor is loaded before the library, into a world of its own with a second
 * libc. */
#include <link.h>
#include <stdlib.h>

unsigned la_version(unsigned version)
{
    free(malloc(1000));
    return version;
}

unsigned la_objopen(struct link_map *map, Lmid_t lmid, uintptr_t *cookie)
{
    (void)map, (void)lmid, (void)cookie;
    return LA_FLG_BINDTO | LA_FLG_BINDFROM;
}
