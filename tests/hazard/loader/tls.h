/* tls.h: between tls.c, which is opened, and the program that opens it. */
#ifndef TESTS_HAZARD_TLS_H
#define TESTS_HAZARD_TLS_H

enum { TLS_FRESH = 4711 };

/* The program's: takes the address-giver of an object's thread-local number, which begins as TLS_FRESH in each thread. */
void tls_register(long *(*number_of_this_thread)(void)) __attribute__((weak));

/* Of an object compiled with NAMED. */
long *tls_number(void);

#endif
