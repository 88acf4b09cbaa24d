/*
 * plant.h: faults planted between the allocator and the checker, to prove that the checker can fail.
 *
 * Each fault needs a second condition (a large live block, an earlier free), so that the shortest failing sequence is known: two
 * ops for overlap, contents and zero, one for align. One thread only.
 */
#ifndef TESTS_PROPERTY_PLANT_H
#define TESTS_PROPERTY_PLANT_H

#include <stdbool.h>
#include <stddef.h>

enum plant { PLANT_NONE, PLANT_OVERLAP, PLANT_CONTENTS, PLANT_ZERO, PLANT_ALIGN };
extern enum plant plant_kind;

/* Returns false if there is no fault of that name. */
bool plant_choose(const char *name);
/* Each is called with what the allocator returned, and returns what the checker shall see. */
void *plant_new(void *p, size_t size);
void *plant_zeroed(void *p, size_t size);
void *plant_aligned(void *p, size_t align);
void *plant_resized(void *p, size_t old_size, size_t size);
/* A block of this size is about to be freed. */
void plant_freed(void *p, size_t size);

#endif
