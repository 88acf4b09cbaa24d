// The work as a shared object of its own: what it makes, somebody else deletes.
#include "cxx.h"

extern "C" __attribute__((visibility("default"))) void work_make(made *made)
{
    work_churn();
    made->text = new std::string(100, 'a');
    made->array = new char[100];
    made->aligned = new wide;
    made->aligned_array = new wide[3];
    made->nothrow = new (std::nothrow) int;
    made->map = new std::map<int, std::string>;
    for (int i = 0; i < 100; i++) (*made->map)[i] = std::string(50, 'b');
}
