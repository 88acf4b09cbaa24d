/* mappings.h: what the system sees of the heap range. */
#ifndef TESTS_UNIT_MAPPINGS_H
#define TESTS_UNIT_MAPPINGS_H

#include "span/span.h"
#include "support.h"

/* The mappings of the range, and those of them for which huge pages have been asked for; from /proc/self/smaps. */
struct mappings {
    unsigned n, nadvised;
    size_t first_advised; /* bytes of the range below it, SIZE_MAX for none */
};

static inline struct mappings mappings_look(void)
{
    struct mappings seen = {.first_advised = SIZE_MAX};
    char line[512];
    uintptr_t at, end, from = 0;
    FILE *smaps = fopen("/proc/self/smaps", "r");
    require(smaps != NULL, "no smaps in this kernel\n");
    while (fgets(line, sizeof line, smaps)) {
        if (sscanf(line, "%lx-%lx ", &at, &end) == 2) from = at;
        if (strncmp(line, "VmFlags:", 8) != 0 || !range_has((void *)from)) continue;
        bool is_advised = strstr(line, " hg") != NULL;
        if (is_advised && !seen.nadvised) seen.first_advised = from - range.base;
        seen.nadvised += is_advised;
        seen.n++;
    }
    fclose(smaps);
    return seen;
}

#endif
