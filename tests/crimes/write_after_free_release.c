/* A freed block that is written to while other threads free all the rest: seen when its span is given back. */
#include "crime.h"

enum { MANY = 4000, SIZE = 960 };
static char *blocks[MANY];

static void *work(void *unused)
{
    for (int i = 0; i < MANY; i++) {
        free(blocks[i]);
        if (i == 100) CRIME(blocks[100], memset(blocks[100], 0, 16));
    }
    return unused;
}

int main(void)
{
    for (int i = 0; i < MANY; i++) blocks[i] = malloc(SIZE);
    in_thread(work, NULL);
    return 0;
}
