/* A block far down the free list. */
#include "crime.h"

int main(void)
{
    char *blocks[500];
    for (int i = 0; i < 500; i++) blocks[i] = malloc(48);
    for (int i = 0; i < 500; i++) free(blocks[i]);
    CRIME(blocks[100], memset(blocks[100], 0x41, 48));
    allocate(3000, 48);
    return 0;
}
