// delete[] of what new gave: the cookie that is not there shifts the pointer by 8 the other way.
#include "crime.h"

int main()
{
    sink = operator new(48);
    char *p = static_cast<char *>(operator new(48));
    CRIME(p - 8, operator delete[](p - 8));
    return 0;
}
