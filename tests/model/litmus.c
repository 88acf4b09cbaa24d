/*
 * The model itself: it has every order, each once, and x86's memory. What is known of small programs is known to it: two threads
 * of four steps have 70 orders; a message is there when its flag is; and two threads that each store and then load what the other
 * stores may both miss it, but only because stores wait in buffers, and not if a locked operation is between.
 */
#include "machine.h"
#include "model.h"

static _Atomic(uint64_t) x, y, other, seen[2];

static void nothing(void) {}

static void add_three(void)
{
    for (int i = 0; i < 3; i++) door_add(&x, 1);
}

static void check_sum(void)
{
    if (x != 6) broken("3 and 3 are %u", (unsigned)x);
}

/* What a thread has found out: its own. */
static void note(int i, uint64_t value)
{
    machine_note(&seen[i]);
    seen[i] = value;
}

static void store_x_load_y(void) { door_store(&x, 1), note(0, door_load(&y)); }
static void store_y_load_x(void) { door_store(&y, 1), note(1, door_load(&x)); }
static void store_x_lock_load_y(void) { door_store(&x, 1), door_add(&other, 1), note(0, door_load(&y)); }
static void store_y_lock_load_x(void) { door_store(&y, 1), door_add(&other, 1), note(1, door_load(&x)); }

static void check_seen(void)
{
    if (!seen[0] && !seen[1]) broken("neither thread has seen the other's store");
}

static void send(void) { door_store(&x, 42), door_store(&y, 1); }
static void receive(void)
{
    if (door_load(&y) && door_load(&x) != 42) broken("the flag is there and the message is not");
}

static void receive_wrongly(void)
{
    uint64_t message = door_load(&x);
    if (door_load(&y) && message != 42) broken("the message was looked at too early");
}

static const struct scene SCENES[] = {
    {SCENE(seventy_orders), .set_up = nothing, .run = {add_three, NULL, add_three}, .check = check_sum},
    {SCENE(a_message_is_there_when_its_flag_is), .set_up = nothing, .run = {send, receive}, .check = nothing},
    {SCENE(locked_operations_let_stores_out), .set_up = nothing, .run = {store_x_lock_load_y, store_y_lock_load_x},
     .check = check_seen},
    {SCENE(stores_are_seen_at_once), .set_up = nothing, .run = {store_x_load_y, store_y_load_x}, .check = check_seen,
     .is_by_name = true},
    {SCENE(a_message_is_there_before_its_flag), .set_up = nothing, .run = {send, receive_wrongly}, .check = nothing,
     .is_by_name = true},
    {.promise = NULL},
};

int main(int argc, char **argv) { return model_main(SCENES, argc, argv); }
