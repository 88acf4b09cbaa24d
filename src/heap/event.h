/* event.h - between event.c, what becomes of spans as their blocks are freed, and listed.c, what becomes of blocks on the lists
 * of classes. Owner only. */
#ifndef MSPACE_EVENT_H
#define MSPACE_EVENT_H

#include "remote.h"

/* A FULL span, whose word has been taken, is its owner's again, and waits to be allocated from. */
void event_put_in_line(struct heap *heap, struct span *span, uint64_t word);

/* `due` of a span in line has underflowed: gives it back. False: not all of its blocks have come, so one came twice. That is
 * told, and the span lost: also where what is at home is not what has been counted. */
bool event_vacate_or_tell(struct span *span);
bool event_tell_double(struct span *span);

/* What was due of the span has come. */
void event_move(struct heap *heap, struct span *span);

/* A look at a small class's list, of which some may go home: the next is due after so many frees, 0 when it would be anyway. */
unsigned listed_review(struct heap *heap, unsigned class);

/* All that is listed, of every class. */
void listed_send_all_home(struct heap *heap);

/* Of blocks of a medium span those that are on its owner's list. */
uint64_t listed_bits(const struct span *span, uint64_t of);

/* The first block that a list meets twice; or where it leads further away than it should, for there is one that was pushed onto
 * another list, or overwritten. NULL: the list ends. */
struct block *listed_find_double(struct block *head, bool is_of_many);

#endif
