/* doors.c: what is inline in the core's headers, compiled as the core is. */
#include "model.h"
#include "os/lock.h"

void door_take(struct lock *lock) { lock_take(lock); }
void door_drop(struct lock *lock) { lock_drop(lock); }
