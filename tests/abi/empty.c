/* What start-up is measured against: a shared object that does nothing, which costs the dynamic linker as much as ours does. */
extern int empty_library;
int empty_library = 1;
