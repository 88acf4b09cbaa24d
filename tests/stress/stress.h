/*
 * stress.h: what the stress programs share: stamped blocks.
 *
 * A stamped block holds its size in the first 8 bytes and, in the rest, a byte that depends on its address and size (the first
 * and last 64 bytes only, where it is larger than 256). Whoever gets one, in whatever thread or process, can tell if it is whole.
 */
#ifndef TESTS_STRESS_STRESS_H
#define TESTS_STRESS_STRESS_H

#include "api.h"
#include "support.h"

#include <sys/wait.h>

enum { STAMP_WHOLE = 256, STAMP_END = 64 };

static inline unsigned char stamp_byte(const void *p, size_t size)
{
    return (unsigned char)(mix64((uintptr_t)p ^ (size << 48)) | 1);
}

/* What malloc or realloc has given; size is at least 8. The process ends if memory was refused: no stress program asks for
 * much. */
static inline void *stamped(void *block, size_t size)
{
    unsigned char *p = block;
    require(p != NULL, "%zu bytes refused\n", size);
    require((uintptr_t)p % 16 == 0 || !api_is_mspace(), "%p, of %zu bytes, is not aligned to 16\n", block, size);
    memcpy(p, &size, sizeof size);
    size_t head = size <= STAMP_WHOLE ? size : STAMP_END;
    memset(p + sizeof size, stamp_byte(p, size), head - sizeof size);
    if (head < size) memset(p + size - STAMP_END, stamp_byte(p, size), STAMP_END);
    return p;
}
static inline void *stamped_new(size_t size) { return stamped(api_malloc(size), size); }

/* Is the block whole? Ends the process if not. */
static inline void stamped_check(const void *block)
{
    const unsigned char *p = block;
    size_t size;
    memcpy(&size, p, sizeof size);
    unsigned char byte = stamp_byte(p, size);
    size_t head = size <= STAMP_WHOLE ? size : STAMP_END;
    require(size >= sizeof size && size <= (size_t)1 << 30, "block %p says its size is %zu\n", block, size);
    for (size_t i = sizeof size; i < head; i++) require(p[i] == byte, "byte %zu of %p (%zu bytes) changed\n", i, block, size);
    for (size_t i = head < size ? size - STAMP_END : size; i < size; i++)
        require(p[i] == byte, "byte %zu of %p (%zu bytes) changed\n", i, block, size);
}

static inline void stamped_free(void *p)
{
    if (p == NULL) return;
    stamped_check(p);
    api_free(p);
}

/* 16 bytes to 1 KiB as programs ask for them, one in 8 up to 8 KiB, one in 256 up to 128 KiB. */
static inline size_t size_random(uint64_t *random)
{
    uint32_t kind = random_below(random, 256);
    if (kind < 128) return 16 + random_below(random, 113);
    if (kind < 224) return 16 + random_below(random, 1009);
    if (kind < 255) return 16 + random_below(random, 8177);
    return 16 + random_below(random, 131057);
}

/* Memory may not have grown by more than this since `before`. Silent where residency cannot be read or means nothing. */
static inline void require_resident(size_t before, size_t grown_max, const char *when)
{
    size_t now = resident_nbytes();
    if (before == 0 || now == 0) return;
    say("%s: resident %zu KiB, was %zu KiB\n", when, now >> 10, before >> 10);
    require(now <= before + grown_max, "%s: resident memory grew from %zu KiB to %zu KiB, allowed %zu KiB more\n", when,
            before >> 10, now >> 10, grown_max >> 10);
}

/* All laws of the heap hold; to be called when no other thread is inside the allocator. */
static inline void require_sound(const char *when)
{
    size_t nbroken = api_verify();
    require(nbroken == 0, "%s: mspace_verify() found %zu broken laws\n", when, nbroken);
}

/* What a thread does while others start or end processes: blocks of its own, one exchanged for another, until it is over. */
static inline void stamped_churn_until(const bool *is_over, uint64_t random)
{
    void *own[64] = {NULL};
    while (!__atomic_load_n(is_over, __ATOMIC_RELAXED)) {
        void **place = &own[random_below(&random, 64)];
        stamped_free(*place);
        *place = stamped_new(size_random(&random));
    }
    for (int i = 0; i < 64; i++) stamped_free(own[i]);
}

/* Waits for the n-th child made by `how`, which must come to a good end. */
static inline void child_wait(pid_t child, const char *how, long n)
{
    int status;
    require(child > 0, "%s: process %ld could not be started\n", how, n);
    while (waitpid(child, &status, 0) < 0) require(errno == EINTR, "waitpid\n");
    require(!WIFSIGNALED(status), "%s: process %ld died of signal %d\n", how, n, WTERMSIG(status));
    require(WEXITSTATUS(status) == 0, "%s: process %ld ended with status %d\n", how, n, WEXITSTATUS(status));
}

#endif
