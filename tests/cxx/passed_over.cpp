// A program linked with an allocator (allocator.c): under the library everything is the library's.
#include "cxx.h"

extern "C" long allocator_ncalls;

int main()
{
    watchdog(60);
    work_churn();
    operator delete(malloc(opaque(100)));
    free(operator new(opaque(100)));
    free(strdup("text"));
    bool caught = false;
    try {
        operator delete(operator new(opaque(SIZE_MAX / 4)));
    } catch (const std::bad_alloc &) {
        caught = true;
    }
    require(caught, "no bad_alloc\n");
    require(allocator_ncalls == 0, "the other allocator was called %ld times\n", allocator_ncalls);
    return 0;
}
