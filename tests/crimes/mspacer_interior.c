/* No crime: mspacer says 1 to what is not the start of a block, and changes nothing. */
#include "crime.h"

#include "api.h"

int main(void)
{
    static const size_t sizes[] = {48, 960, 4096, 100 << 10, 1 << 20};
    _Alignas(16) char local[64];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *p = mspacec(sizes[i]);
        require(mspacer(p + 16) == 1 && mspacer(p + 1) == 1 && mspacer(p + sizes[i] / 2) == 1, "the inside was taken\n");
        require(mspacer(p + (1 << 30)) == 1, "a wild pointer was taken\n");
        require(mspacer(p) == 0, "the block was refused\n");
    }
    require(mspacer(local) == 1 && mspacer((void *)1) == 1 && mspace_verify() == 0, "what is not ours was taken\n");
    return 0;
}
