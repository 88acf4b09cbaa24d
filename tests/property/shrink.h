/* shrink.h: find a short sequence of ops that breaks the same law as a long one; see shrink.c. */
#ifndef TESTS_PROPERTY_SHRINK_H
#define TESTS_PROPERTY_SHRINK_H

#include "ops.h"

/* Do the ops[kept[0]], ops[kept[1]], ... and return, or call broke(). Runs in a child process. */
typedef void shrink_replay(const struct op *ops, const uint32_t *kept, size_t nkept);

/* Called by broke() in the child: leave the law for the parent and end the child. */
__attribute__((noreturn)) void shrink_replay_broke(const char *law);

/* Shorten the first nops ops of the seed's one-thread sequence while they break `law`; print what is left. Returns 1, main's
 * status. */
int shrink(uint64_t seed, uint64_t nops, const char *law, shrink_replay *replay);

#endif
