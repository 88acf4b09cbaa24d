// A C++ plugin of a C program, opened for itself only.
#include "cxx.h"

// A jump, not a call: the return address that operator new sees lies in the C program.
extern "C" __attribute__((visibility("default"))) void *plugin_new(std::size_t size) { return operator new(size); }

extern "C" __attribute__((visibility("default"))) int plugin_run(std::size_t impossible, void *(*call_back)(std::size_t))
{
    int ncaught = 0;
    try {
        if (call_back) operator delete(call_back(impossible));
    } catch (const std::bad_alloc &) {
        ncaught++;
    }
    for (int i = 0; i < 3000; i++) {
        try {
            operator delete(operator new(impossible));
        } catch (const std::bad_alloc &) {
            ncaught++;
        }
        try {
            operator delete(operator new[](impossible, std::align_val_t(64)), std::align_val_t(64));
        } catch (const std::bad_alloc &) {
            ncaught++;
        }
        try {
            operator delete(plugin_new(impossible));
        } catch (const std::bad_alloc &) {
            ncaught++;
        }
        if (!operator new(impossible, std::nothrow)) ncaught++;
        std::string text(static_cast<std::size_t>(i % 100), 'x');
        try {
            text.resize(impossible / 4);
        } catch (const std::exception &) {
            ncaught++;
        }
    }
    work_churn();
    return ncaught;
}
