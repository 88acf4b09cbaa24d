/* The program's own data. */
#include "crime.h"

int main(void)
{
    static _Alignas(16) char data[64];
    CRIME(data, free(data));
    return 0;
}
