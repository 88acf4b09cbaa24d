/* list.c: laws of the one doubly linked list (src/base/list.h). */
#include "base/list.h"
#include "unit.h"

enum { N = 5 };

static struct list head, nodes[N];

static void fill(void)
{
    list_init(&head);
    for (int i = 0; i < N; i++) list_push_back(&head, &nodes[i]);
}

/* The list holds nodes[numbers[0]], ... in this order, both ways round, and every node is sound. */
static void expect(int n, const int *numbers)
{
    int i = 0;
    list_for_each(node, &head)
    {
        require(i < n && node == &nodes[numbers[i]], "node %d is not the one expected\n", i);
        require(list_is_sound(node), "node %d is not sound\n", i);
        i++;
    }
    require(i == n, "%d nodes, not %d\n", i, n);
    for (const struct list *node = head.prev; node != &head; node = node->prev)
        require(node == &nodes[numbers[--i]], "backward order\n");
    require(list_is_sound(&head) && list_is_empty(&head) == (n == 0), "the head\n");
}

static void list_keeps_order(void)
{
    list_init(&head);
    expect(0, NULL);
    list_push_back(&head, &nodes[1]);
    list_push_back(&head, &nodes[2]);
    list_push_front(&head, &nodes[0]);
    expect(3, (int[]){0, 1, 2});
    list_insert(&nodes[3], &nodes[0], &nodes[1]);
    expect(4, (int[]){0, 3, 1, 2});
}

static void list_removes_anywhere(void)
{
    fill();
    list_remove(&nodes[2]);
    expect(4, (int[]){0, 1, 3, 4});
    list_remove(&nodes[0]);
    list_remove(&nodes[4]);
    expect(2, (int[]){1, 3});
    list_remove(&nodes[1]);
    list_remove(&nodes[3]);
    expect(0, NULL);
    for (int i = 0; i < N; i++) require(list_is_empty(&nodes[i]), "a removed node points at itself\n");
}

static void list_removes_twice_without_harm(void)
{
    fill();
    list_remove(&nodes[2]);
    list_remove(&nodes[2]);
    expect(4, (int[]){0, 1, 3, 4});
}

static void overwritten_link(void)
{
    struct list stray = {&nodes[0], &nodes[0]};
    fill();
    nodes[2].next = &stray;
    list_remove(&nodes[2]);
}

static void overwritten_neighbour(void)
{
    fill();
    nodes[3].prev = &nodes[0];
    list_remove(&nodes[2]);
}

static void list_notices_an_overwritten_link(void)
{
    for (int i = 0; i < 2; i++) {
        pid_t child = fork();
        int status;
        if (child == 0) {
            i ? overwritten_link() : overwritten_neighbour();
            _exit(0);
        }
        require(waitpid(child, &status, 0) == child && WIFSIGNALED(status), "an overwritten link was believed\n");
    }
}

UNIT_MAIN(PROMISE(list_keeps_order), PROMISE(list_removes_anywhere), PROMISE(list_removes_twice_without_harm),
          PROMISE(list_notices_an_overwritten_link))
