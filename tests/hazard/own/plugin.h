/* plugin.h: what the program and its plugin say to each other. */
#ifndef TESTS_HAZARD_PLUGIN_H
#define TESTS_HAZARD_PLUGIN_H

#include <stddef.h>

enum { PROGRAM = 1, OWN = 2 };

struct plugin {
    int (*ask)(void); /* which answer() it calls */
    void *(*take)(size_t size);
    void *(*resize)(void *p, size_t size);
    void (*release)(void *p);
    char *(*copy)(const char *string);
    size_t (*usable_size)(void *p);
};

int answer(void);

#endif
