/* A library of which there are two versions. */
#include "plugin.h"

int answer(void) { return VERSION; }
