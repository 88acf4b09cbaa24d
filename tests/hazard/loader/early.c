/* early.c: malloc called before anything has begun: from the resolver of an indirect function of the program, while the loader is
 * still relocating and no constructor, neither libc's nor the library's, has run; then from DT_PREINIT_ARRAY. The blocks are used
 * and freed in main. */
#include "api.h"
#include "support.h"

static char *from_resolver, *from_preinit, *grown;
static void *small[50];

static int answer(void) { return 42; }

static int (*resolve(void))(void)
{
    from_resolver = malloc(3000);
    for (int i = 0; i < 50; i++) small[i] = calloc(1, (size_t)i + 1);
    grown = realloc(malloc(10), 100000);
    free(malloc(200));
    return answer;
}

int indirect(void);
int indirect(void) __attribute__((ifunc("resolve")));

static void preinit(void)
{
    from_preinit = malloc(500);
    free(small[0]);
    small[0] = NULL;
    memset(from_preinit, 3, 500);
}
__attribute__((section(".preinit_array"), used)) static void (*const first)(void) = preinit;

int main(void)
{
    watchdog(30);
    require(from_resolver && from_preinit && grown, "a block of the resolver or of preinit is NULL\n");
    require(indirect() == 42, "the indirect function\n");
    memset(from_resolver, 1, 3000);
    memset(grown, 2, 100000);
    require(from_preinit[499] == 3, "the block of preinit was written to\n");
    for (int i = 1; i < 50; i++) {
        char *p = small[i];
        require(p && p[0] == 0 && p[i] == 0, "a zeroed block of the resolver is not\n");
        memset(p, 5, (size_t)i + 1);
    }
    for (int i = 0; i < 50; i++) free(small[i]);
    from_resolver = realloc(from_resolver, 6000);
    require(from_resolver && from_resolver[2999] == 1, "realloc of the resolver's block\n");
    for (int i = 0; i < 1000; i++) require(malloc((size_t)i) != from_preinit, "a live block was given out again\n");
    free(from_resolver), free(from_preinit), free(grown);
    require(api_verify() == 0, "broken laws\n");
    say("early blocks are served\n");
    return 0;
}
