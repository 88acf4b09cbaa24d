/* plugin.c: opened in a world of its own, allocates and frees there. */
#include <stdlib.h>
#include <string.h>

long plugin_work(long n);
long plugin_work(long n)
{
    char *blocks[20];
    for (int i = 0; i < 20; i++) {
        blocks[i] = malloc((size_t)(n * i * 37 + 1));
        if (!blocks[i]) return -1;
        memset(blocks[i], i, (size_t)(n * i * 37 + 1));
    }
    for (int i = 0; i < 20; i++) blocks[i] = realloc(blocks[i], (size_t)(n * 100));
    for (int i = 0; i < 20; i++) {
        if (blocks[i][0] != i) return -2;
        free(blocks[i]);
    }
    return n;
}
