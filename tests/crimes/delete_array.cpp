// delete of what new[] gave: its cookie shifts the pointer by 8.
#include "crime.h"

#include <string>

int main()
{
    std::string *volatile strings = new std::string[3];
    std::string *p = strings;
    CRIME(p, operator delete(p));
    return 0;
}
