/*
 * trees: binary trees built from the leaves up and torn down again, beside one that lives as long as the program.
 *     trees [depth = 16] [trees = 60000] [seed = 1]
 * The long-lived tree is full, 2^depth - 1 nodes. The others are of a depth drawn between 4 and 18, lopsided: at every node one
 * of the two subtrees is the shallower one, by 1 to 4. Four of them are there at a time, and the oldest makes room for the next.
 * A node is 32 bytes. One op is one node: one malloc and one free, those of the long-lived tree included.
 */
#include "bench.h"

enum { NDRAWN = 1 << 16, NALIVE = 4 };

struct node {
    struct node *left, *right;
    uint64_t words[2];
};

static uint8_t drawn[NDRAWN];
static size_t ndrawn, nnodes;

/* A tree of so many levels; full, or with one subtree of each node shallower. */
static struct node *tree_build(int depth, bool is_full)
{
    if (depth <= 0) return NULL;
    uint8_t shape = is_full ? 0 : drawn[ndrawn++ % NDRAWN];
    int shallower = is_full ? 1 : 1 + shape / 2 % 4;
    struct node *left = tree_build(depth - (shape % 2 == 0 ? 1 : shallower), is_full);
    struct node *right = tree_build(depth - (shape % 2 == 0 ? shallower : 1), is_full);
    struct node *n = malloc(sizeof *n);
    *n = (struct node){.left = left, .right = right, .words = {nnodes++}};
    return n;
}

static void tree_tear_down(struct node *n)
{
    if (n == NULL) return;
    struct node *left = n->left, *right = n->right;
    free(n);
    tree_tear_down(left);
    tree_tear_down(right);
}

int main(int argc, char **argv)
{
    int depth = (int)bench_argument(argc, argv, 1, 16);
    long ntrees = bench_argument(argc, argv, 2, 60000);
    uint64_t random = (uint64_t)bench_argument(argc, argv, 3, 1);
    for (int i = 0; i < NDRAWN; i++) drawn[i] = (uint8_t)random_below(&random, 256);
    struct node *alive[NALIVE] = {NULL};
    uint64_t start = now_ns();
    struct node *background = tree_build(depth, true);
    for (long i = 0; i < ntrees; i++) {
        struct node **tree = &alive[i % NALIVE];
        tree_tear_down(*tree);
        *tree = tree_build(4 + drawn[i * 31 % NDRAWN] % 15, false);
    }
    for (int i = 0; i < NALIVE; i++) tree_tear_down(alive[i]);
    tree_tear_down(background);
    bench_report("trees", now_ns() - start, nnodes);
    return 0;
}
