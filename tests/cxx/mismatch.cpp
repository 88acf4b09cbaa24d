// What the standard forbids and glibc takes: wrong sizes, malloc's blocks deleted, delete of the other kind.
#include "cxx.h"

#pragma GCC diagnostic ignored "-Wdelete-non-virtual-dtor"
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

struct base {
    char bytes[16];
};
struct derived : base {
    char more[4000];
};
struct alignas(16) line {
    char bytes[16];
};

int main()
{
    watchdog(60);
    for (int i = 0; i < 1000; i++) {
        base *volatile object = new derived;
        delete object; // sized delete, and the size is base's
        operator delete(operator new(opaque(24)), opaque(100000));
        operator delete(operator new(opaque(100000)), opaque(1));
        operator delete[](operator new[](opaque(24)), opaque(0));
        operator delete(malloc(opaque(100)));
        operator delete(malloc(opaque(100)), opaque(5));
        operator delete[](operator new(opaque(100)));
        operator delete(operator new[](opaque(100)));
        operator delete(calloc(opaque(3), 50), std::nothrow);
        operator delete(operator new(opaque(100)), std::align_val_t(4096));
        operator delete(operator new(opaque(100), std::align_val_t(256)));
        free(operator new(opaque(300000)));
        free(operator new(opaque(1000), std::align_val_t(1024)));
        void *p = realloc(operator new(opaque(10)), opaque(5000));
        operator delete(p, opaque(10));
    }
    require(api_verify() == 0, "broken laws\n");
    return 0;
}
