/*
 * bignum: arithmetic on big numbers. A number is a block of 16 to 128 bytes, every operation makes a new one, and its operands
 * die soon.
 *     bignum [ops = 100000000] [seed = 1]
 * The numerators of continued fractions: each is the one before, times a quotient, plus the one before that. A step makes the
 * product, then the sum, then frees the product and the oldest number: four blocks are alive at most, and each result is there
 * before its operands go. When a number has grown to its full length, both are freed and a new fraction begins. One op is one
 * malloc, one free and one addition or multiplication; the lowest word of the last number is compared with the same sum modulo
 * 2^64.
 */
#include "bench.h"

enum { NDRAWN = 1 << 16, NLIMBS_MAX = 15 };

struct number {
    size_t nlimbs;
    uint64_t limbs[]; /* the least significant first */
};

static uint32_t quotients[NDRAWN];

/* There is always room for a carry: the sizes are those that the operands allow, not those that the result needs. */
static struct number *number_new(size_t nlimbs)
{
    struct number *n = malloc(sizeof *n + nlimbs * sizeof n->limbs[0]);
    if (n == NULL) fail("malloc refused\n");
    n->nlimbs = nlimbs;
    return n;
}

static struct number *number_one(uint64_t value)
{
    struct number *n = number_new(1);
    n->limbs[0] = value;
    return n;
}

static struct number *number_times(const struct number *a, uint64_t factor)
{
    struct number *product = number_new(a->nlimbs + 1);
    uint64_t carry = 0;
    for (size_t i = 0; i < a->nlimbs; i++) {
        unsigned __int128 wide = (unsigned __int128)a->limbs[i] * factor + carry;
        product->limbs[i] = (uint64_t)wide;
        carry = (uint64_t)(wide >> 64);
    }
    product->limbs[a->nlimbs] = carry;
    product->nlimbs -= carry == 0;
    return product;
}

/* a is at least as long as b, and its sum with b has no carry beyond one limb more. */
static struct number *number_plus(const struct number *a, const struct number *b)
{
    struct number *sum = number_new(a->nlimbs + 1);
    uint64_t carry = 0;
    for (size_t i = 0; i < a->nlimbs; i++) {
        unsigned __int128 wide = (unsigned __int128)a->limbs[i] + (i < b->nlimbs ? b->limbs[i] : 0) + carry;
        sum->limbs[i] = (uint64_t)wide;
        carry = (uint64_t)(wide >> 64);
    }
    sum->limbs[a->nlimbs] = carry;
    sum->nlimbs -= carry == 0;
    return sum;
}

int main(int argc, char **argv)
{
    long nops = bench_argument(argc, argv, 1, 100000000);
    uint64_t random = (uint64_t)bench_argument(argc, argv, 2, 1), low_older = 1, low = 1;
    for (int i = 0; i < NDRAWN; i++) quotients[i] = 1 + random_below(&random, 1 << 20);
    uint64_t start = now_ns();
    struct number *older = number_one(1), *newer = number_one(1);
    for (long i = 0; i < nops; i += 2) {
        uint64_t quotient = quotients[i / 2 % NDRAWN];
        if (newer->nlimbs + 2 > NLIMBS_MAX) { /* the next fraction */
            free(older);
            free(newer);
            older = number_one(low_older = 1);
            newer = number_one(low = 1);
        }
        struct number *product = number_times(newer, quotient), *sum = number_plus(product, older);
        free(product);
        free(older);
        older = newer;
        newer = sum;
        uint64_t low_sum = low * quotient + low_older;
        low_older = low;
        low = low_sum;
    }
    uint64_t ns = now_ns() - start;
    require(newer->limbs[0] == low, "the sum is wrong: somebody wrote into a number\n");
    bench_report("bignum", ns, (uint64_t)nops);
    return 0;
}
