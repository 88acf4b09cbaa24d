/* high.c: a library that is linked to lie higher than anything can. */
int high(void);
int high(void) { return 1; }
