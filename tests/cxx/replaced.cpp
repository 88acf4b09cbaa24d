// A program of which some operators are replaced (replace.cpp), by itself or by a shared object that it is linked with.
#include "cxx.h"

extern "C" long replaced_ncalls, replaced_nlive;

int main()
{
    made made;
    watchdog(60);
    long before = replaced_nlive;
    work_make(&made);
    work_release(&made);
    work_churn();
    require(replaced_ncalls > 100, "the replacement was called %ld times only\n", replaced_ncalls);
    require(replaced_nlive == before, "%ld blocks of the replacement are left\n", replaced_nlive - before);
    require(api_verify() == 0, "broken laws\n");
    return 0;
}
