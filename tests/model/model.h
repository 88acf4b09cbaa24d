/*
 * model.h: an exhaustive interleaver over the library's own code.
 *
 *      scene          threads and what each does, from a prepared state                       remote.c adopt.c fork.c
 *      search         every order of their steps, every state once                            search.c
 *      machine        threads, memory, store buffers; what a step is                          machine.c
 *      the core       as it is, compiled with -fsanitize=thread and linked without: each of its
 *                     accesses to memory, atomic or plain, calls the machine
 *
 * Threads are stacks that the machine switches between, in one process: so a state of the whole, stacks included, can be kept,
 * compared and gone back to. A state that has been seen is not looked at again, whatever order led to it; that makes every order
 * of a few hundred steps a matter of thousands of states. The number of preemptions is not bounded.
 *
 * A step ends before an access of a word that matters: one that two threads touch and one of them writes, unless all of them hold
 * the same lock then. Which words these are is learned: the search is done again until no new one has turned up. (The first
 * conflict that any order has would show in an order that the search has, so what it does not know of does not matter.)
 *
 * Memory is that of x86: a store waits in its thread's buffer, in order, until the search lets it out; locked operations wait for
 * that. Only that: what a weaker processor, or the compiler, may do more is ThreadSanitizer's to find (tests/stress). --sc: no
 * buffers.
 *
 * Left out: a buffer holds some ten stores, and a full one is emptied; the spin before a lock sleeps is one look, not 100, and
 * one ripe slice is stolen, not 16 (mistakes/few_spins.sed, ripe_early.sed); time stands still (clock_stands_still.sed), and no
 * page is given back to the system; the range and the table of heaps do not grow; signals; a futex wakes in the order of waiting;
 * and what bits.h does in one instruction is a load and a store, which only a fork could tell.
 */
#ifndef TESTS_MODEL_MODEL_H
#define TESTS_MODEL_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NTHREADS = 3, HOME = NTHREADS }; /* HOME: the thread that prepares, checks, and forks */

struct scene {
    const char *promise;
    void (*set_up)(void);
    void (*run[NTHREADS])(void);
    void (*check)(void); /* at the end of every order, all stores out; by HOME */
    void (*child)(void); /* not NULL: at every state (as fork.c has it), a process in which HOME alone is left */
    bool is_big;         /* at full size only, */
    bool is_by_name;     /* or only if asked for */
};

#define SCENE(name) .promise = #name

/* The scenes of a program, ended by one without a promise. */
int model_main(const struct scene *scenes, int argc, char **argv);

/* The library does not keep its word: with this order of steps. */
__attribute__((noreturn, format(printf, 1, 2))) void broken(const char *format, ...);

/* For set_up and check: something done by another thread than HOME. */
void as(unsigned thread, void (*act)(void));

/* malloc and free of blocks that are accounted for: no two overlap, and what was written into one is there until it is freed. */
void *take(size_t size);
void drop(void *block);
void drop_all(void); /* whoever has taken them; by one thread alone */

/* Of what set_up has taken: whether nobody has begun to free it. For child. */
bool is_held(const void *block);

/* Frees what is free already, and must be told. */
void drop_again(void *block);
unsigned ntold(void);

/* Ends the thread as pthread_exit does. */
void leave(void);

/* lock_take, lock_drop, and atomic operations, as the core has them (doors.c): a release, sequentially consistent, an acquire. */
struct lock;
void door_take(struct lock *lock);
void door_drop(struct lock *lock);
void door_store(_Atomic(uint64_t) *word, uint64_t value);
void door_add(_Atomic(uint64_t) *word, uint64_t value);
uint64_t door_load(_Atomic(uint64_t) *word);

/* Every law of the heap is kept; for check and child. */
void sound(void);

#endif
