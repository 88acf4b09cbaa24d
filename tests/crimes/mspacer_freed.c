/* No crime: mspacer says 1 to a block that was freed, and changes nothing. */
#include "crime.h"

#include "api.h"

int main(void)
{
    static const size_t sizes[] = {16, 48, 960, 4096, 100 << 10, 1 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *p = mspacec(sizes[i]), *q = mspacec(sizes[i]);
        require(mspacer(p) == 0, "a live block of %zu bytes was refused\n", sizes[i]);
        for (int again = 0; again < 3; again++) require(mspacer(p) == 1, "a freed block of %zu bytes was taken\n", sizes[i]);
        require(mspacer(q) == 0, "the block beside it, of %zu bytes, was refused\n", sizes[i]);
        require(mspacer(p) == 1, "a freed block of %zu bytes was taken\n", sizes[i]);
    }
    require(mspacer(NULL) == 0 && mspace_verify() == 0, "the heap has changed\n");
    return 0;
}
