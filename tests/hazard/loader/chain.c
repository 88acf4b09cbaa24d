/* chain.c: a link of a chain of definitions, each the next one's caller: the answer is how many there are from here on. As a
 * program, as a preloaded library, as a plugin and as the library that a plugin needs; RTLD_NEXT is for each of them what follows
 * it.
 *     chain PLUGIN N M     the chain is to have N links from the program on, M from the plugin on */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

int chain(void);
int chain(void)
{
    int (*next)(void);
    *(void **)&next = dlsym(RTLD_NEXT, "chain");
    return 1 + (next ? next() : 0); /* not the last thing that is done: this is the caller, as a return address tells */
}

#ifdef IS_PLUGIN
int malloc_trim(size_t pad);
int malloc_trim(size_t pad) { return (int)pad; } /* of its own */
#endif

#ifdef IS_PROGRAM
int main(int argc, char **argv)
{
    int (*of_plugin)(void) = NULL;
    void *plugin = argc == 4 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
    if (plugin) *(void **)&of_plugin = dlsym(plugin, "chain");
    if (!of_plugin) return 2;
    int n = chain(), m = of_plugin();
    printf("%d links from the program on, %d from the plugin on\n", n, m);
    return n != atoi(argv[2]) || m != atoi(argv[3]);
}
#endif
