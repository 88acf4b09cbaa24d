/*
 * hashmap: a dictionary of strings as most programs have one: a table of chains, and for each entry a node, a copy of the key and
 * a value.
 *     hashmap [ops = 16000000] [ops per map = 100000] [seed = 1]
 * Each op picks one of 16,384 keys of 4 to 51 bytes. A key that is not there is inserted (three mallocs); one that is there gets
 * a new value before the old one is freed, or is deleted (three frees), with equal chances: two thirds are there in the long run.
 * A table with more entries than places is replaced by one of twice the size, by calloc. A map that has seen its ops is torn
 * down, and an empty one begins with 16 places. One op is on average 1.5 mallocs and frees and one walk along a chain; hashes are
 * computed beforehand.
 */
#include "bench.h"

enum { NDRAWN = 1 << 16, NKEYS = 1 << 14, NPLACES_FIRST = 16, DELETES = 1 << 15 };

struct key {
    uint32_t hash, length;
    char text[56];
};
struct node {
    struct node *next;
    char *key;
    void *value;
    uint32_t hash, length;
};
struct map {
    struct node **places;
    size_t nplaces, nnodes;
};

static struct key keys[NKEYS];
static uint16_t picks[NDRAWN], values[NDRAWN]; /* values: size of the new value, or with DELETES: delete, if it is there */

/* The pointer to the node of this key, or to the end of its chain. */
static struct node **map_find(struct map *m, const struct key *key)
{
    struct node **link = &m->places[key->hash & (m->nplaces - 1)];
    for (; *link != NULL; link = &(*link)->next) {
        struct node *n = *link;
        if (n->hash == key->hash && n->length == key->length && memcmp(n->key, key->text, n->length) == 0) break;
    }
    return link;
}

static void map_resize(struct map *m, size_t nplaces)
{
    struct node **places = calloc(nplaces, sizeof *places);
    for (size_t i = 0; i < m->nplaces; i++) {
        for (struct node *n = m->places[i], *next; n != NULL; n = next) {
            next = n->next;
            n->next = places[n->hash & (nplaces - 1)];
            places[n->hash & (nplaces - 1)] = n;
        }
    }
    free(m->places);
    m->places = places;
    m->nplaces = nplaces;
}

static void map_insert(struct map *m, struct node **end, const struct key *key, void *value)
{
    struct node *n = *end = malloc(sizeof *n);
    *n = (struct node){.key = malloc(key->length), .value = value, .hash = key->hash, .length = key->length};
    memcpy(n->key, key->text, key->length);
    if (++m->nnodes > m->nplaces) map_resize(m, 2 * m->nplaces);
}

static void map_delete(struct map *m, struct node **link)
{
    struct node *n = *link;
    *link = n->next;
    free(n->key);
    free(n->value);
    free(n);
    m->nnodes--;
}

static void map_run(long from, long to)
{
    struct map m = {NULL, 0, 0};
    map_resize(&m, NPLACES_FIRST);
    for (long i = from; i < to; i++) {
        const struct key *key = &keys[picks[i % NDRAWN]];
        uint32_t drawn = values[(i + i / NDRAWN * 7919) % NDRAWN], size = drawn & (DELETES - 1);
        struct node **link = map_find(&m, key);
        if (*link != NULL && (drawn & DELETES) != 0) {
            map_delete(&m, link);
            continue;
        }
        void *value = malloc(size);
        bench_touch(value, size);
        if (*link == NULL) {
            map_insert(&m, link, key, value);
        } else {
            free((*link)->value);
            (*link)->value = value;
        }
    }
    for (size_t i = 0; i < m.nplaces; i++) {
        while (m.places[i] != NULL) map_delete(&m, &m.places[i]);
    }
    free(m.places);
}

int main(int argc, char **argv)
{
    long nops = bench_argument(argc, argv, 1, 16000000), nops_map = bench_argument(argc, argv, 2, 100000);
    uint64_t random = (uint64_t)bench_argument(argc, argv, 3, 1);
    for (int i = 0; i < NKEYS; i++) {
        keys[i].length = 4 + random_below(&random, 48);
        memcpy(keys[i].text, &i, sizeof i); /* no two are alike */
        for (uint32_t k = 4; k < keys[i].length; k++) keys[i].text[k] = (char)('a' + random_below(&random, 26));
        keys[i].hash = (uint32_t)random_next(&random);
    }
    for (int i = 0; i < NDRAWN; i++) {
        picks[i] = (uint16_t)random_below(&random, NKEYS);
        values[i] = (uint16_t)(bench_small_size(&random) | random_below(&random, 2) * DELETES);
    }
    uint64_t start = now_ns();
    for (long i = 0; i < nops; i += nops_map) map_run(i, i + nops_map < nops ? i + nops_map : nops);
    bench_report("hashmap", now_ns() - start, (uint64_t)nops);
    return 0;
}
