/* doors.c: what scenes want compiled as the core is, each access a step. */
#include "model.h"
#include "os/lock.h"

void door_take(struct lock *lock) { lock_take(lock); }
void door_drop(struct lock *lock) { lock_drop(lock); }
void door_store(_Atomic(uint64_t) *word, uint64_t value) { atomic_store_explicit(word, value, memory_order_release); }
void door_add(_Atomic(uint64_t) *word, uint64_t value) { atomic_fetch_add(word, value); }
uint64_t door_load(_Atomic(uint64_t) *word) { return atomic_load_explicit(word, memory_order_acquire); }
