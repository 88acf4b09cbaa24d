/* e1_fused_check.c - E1: is the fused comparison of is_block right? Compared with a division for every class, every offset
 * of its span and five counts of carved blocks; the quotient for every block's start. Prints the number of cases. */
#define FUSED 1
#include "stub.h"

int main(void)
{
    unsigned long cases = 0;
    classes_init();
    for (uint32_t class = 0; class < NCLASSES; class ++) {
        uint32_t size = class_size[class], nbytes = slices_for(size) * (uint32_t)SLICE, capacity = nbytes / size;
        struct desc d = {.size = (uint16_t)size, .reciprocal = reciprocal_of(size)};
        const uint32_t carved[] = {0, 1, capacity / 2, capacity - 1, capacity};
        for (size_t i = 0; i < sizeof carved / sizeof *carved; i++) {
            set_carved(&d, carved[i]);
            for (uint32_t offset = 0; offset < nbytes; offset++, cases++) {
                bool is_start = offset % size == 0;
                if (is_block(&d, offset) != (is_start && offset / size < carved[i])) stub_fatal("wrong verdict", NULL);
                if (is_start && quotient(offset, d.reciprocal) != offset / size) stub_fatal("wrong quotient", NULL);
            }
        }
    }
    printf("fused check: %lu cases, all right\n", cases);
    return 0;
}
