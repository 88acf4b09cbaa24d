// Deletes twice, in the way the argument says; the report must name the operator.
#include "cxx.h"

int main(int argc, char **argv)
{
    require(argc == 2, "usage: double_delete plain|array|sized|aligned|large\n");
    std::string way = argv[1];
    void *(*volatile plain)(std::size_t) = operator new;
    void *p = way == "array"     ? operator new[](opaque(48))
              : way == "large"   ? operator new(opaque(1 << 20))
              : way == "aligned" ? operator new(opaque(48), std::align_val_t(64))
                                 : plain(opaque(48));
    for (int i = 0; i < 2; i++) {
        if (way == "plain" || way == "large") operator delete(p);
        if (way == "array") operator delete[](p);
        if (way == "sized") operator delete(p, opaque(48));
        if (way == "aligned") operator delete(p, std::align_val_t(64));
    }
    return 0;
}
