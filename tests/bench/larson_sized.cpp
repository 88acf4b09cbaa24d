/*
 * larson_sized: larson.c as a server in C++ does it: objects come from operator new and go by operator delete(p, size).
 *     larson_sized [chains = 2] [generations = 600] [ops per generation = 100000] [blocks per chain = 5000] [seed = 1]
 * An object knows its size: it stands in the first word, where one with virtual functions has the address of its class, and is
 * read before the object is deleted. Everything else is as in larson.c: a chain's threads replace objects of 8 to 1,000 bytes at
 * random, start their successor and exit; every 16th op swaps an object with a place that all chains share.
 * One op is one new and one delete, on all chains together; threads' starts and ends are in the time.
 */
#include "bench.h"

#include <new>
#include <pthread.h>

enum { NDRAWN = 1 << 16, NSHARED = 256 };

struct object {
    size_t size;
};

struct chain {
    pthread_t thread;
    long generations_left;
    uint64_t random;
    object **objects;
};

static long nops, nobjects;
static uint16_t sizes[NDRAWN];
static uint32_t picks[NDRAWN];
static object *shared[NSHARED];

static object *object_new(size_t size)
{
    void *p = operator new(size);
    bench_touch(p, size);
    return new (p) object{size};
}

static void object_delete(object *o)
{
    if (o) operator delete(o, o->size);
}

static void *generation(void *arg)
{
    chain *c = static_cast<chain *>(arg);
    uint32_t offset = static_cast<uint32_t>(random_next(&c->random));
    for (long i = 0; i < nops; i++) {
        uint32_t drawn = (offset + static_cast<uint32_t>(i)) % NDRAWN;
        object **place = &c->objects[picks[drawn]], *old = *place;
        if (i % 16 == 0) old = __atomic_exchange_n(&shared[drawn % NSHARED], old, __ATOMIC_ACQ_REL);
        object_delete(old);
        *place = object_new(sizes[drawn]);
    }
    return nullptr;
}

// One chain: each thread is joined by this one, so that at any time as many allocate as there are chains.
static void *chain_run(void *arg)
{
    chain *c = static_cast<chain *>(arg);
    for (; c->generations_left > 0; c->generations_left--) {
        pthread_t thread;
        require(pthread_create(&thread, nullptr, generation, c) == 0, "pthread_create\n");
        pthread_join(thread, nullptr);
    }
    return nullptr;
}

int main(int argc, char **argv)
{
    long nchains = bench_argument(argc, argv, 1, 2), ngenerations = bench_argument(argc, argv, 2, 600);
    nops = bench_argument(argc, argv, 3, 100000);
    nobjects = bench_argument(argc, argv, 4, 5000);
    uint64_t random = static_cast<uint64_t>(bench_argument(argc, argv, 5, 1));
    chain *chains = static_cast<chain *>(map_zeroed(static_cast<size_t>(nchains) * sizeof *chains));
    for (int i = 0; i < NDRAWN; i++) {
        sizes[i] = static_cast<uint16_t>(8 + random_below(&random, 993));
        picks[i] = random_below(&random, static_cast<uint32_t>(nobjects));
    }
    uint64_t start = now_ns();
    for (long i = 0; i < nchains; i++) {
        chains[i].generations_left = ngenerations;
        chains[i].random = static_cast<uint64_t>(i) + 1;
        chains[i].objects = static_cast<object **>(map_zeroed(static_cast<size_t>(nobjects) * sizeof(object *)));
        require(pthread_create(&chains[i].thread, nullptr, chain_run, &chains[i]) == 0, "pthread_create\n");
    }
    for (long i = 0; i < nchains; i++) pthread_join(chains[i].thread, nullptr);
    bench_report("larson-sized", now_ns() - start, static_cast<uint64_t>(nchains * ngenerations * nops));
    return 0;
}
