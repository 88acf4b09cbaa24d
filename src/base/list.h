/* list.h - the doubly linked list: circular, intrusive, with a sentinel head.
 *
 *      head <-> node <-> node <-> head          an empty list points at itself
 *
 * Law: for every node n, n->next->prev == n and n->prev->next == n. Removal checks both neighbours first,
 * so that an overwritten link is noticed before it steers a store (list_is_sound tells). No lock of its own: whoever
 * owns the list holds one. It is the only doubly linked list in the project. */
#ifndef MSPACE_LIST_H
#define MSPACE_LIST_H

#include "base.h"

struct list {
    struct list *prev, *next; /* next: PEEK, so that who does not own the list may see that it is empty */
};

INLINE void list_set_next(struct list *node, struct list *next) { __atomic_store_n(&node->next, next, __ATOMIC_RELAXED); }
INLINE void list_init(struct list *head) { list_set_next(head->prev = head, head); }
INLINE bool list_is_empty(const struct list *head) { return head->next == head; }
INLINE bool list_is_sound(const struct list *node) { return node->next->prev == node && node->prev->next == node; }

INLINE void list_insert(struct list *node, struct list *prev, struct list *next)
{
    node->prev = prev;
    node->next = next;
    next->prev = node;
    list_set_next(prev, node);
}

INLINE void list_push_front(struct list *head, struct list *node) { list_insert(node, head, head->next); }
INLINE void list_push_back(struct list *head, struct list *node) { list_insert(node, head->prev, head); }

/* Takes node off its list. Our own records are out of the program's reach, so a broken neighbour is our own
 * mistake or a wild write: in both cases nothing that follows could be trusted. */
INLINE void list_remove(struct list *node)
{
    if (UNLIKELY(!list_is_sound(node))) __builtin_trap();
    list_set_next(node->prev, node->next);
    node->next->prev = node->prev;
    node->prev = node->next = node;
}

#define list_for_each(node, head) for (struct list *node = (head)->next; node != (head); node = node->next)

#endif
