// cxx.h: what the C++ tests share: a heap that crashes on anybody else's block, and work that uses every kind of new and delete.
#ifndef TESTS_CXX_CXX_H
#define TESTS_CXX_CXX_H

#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "support.h"

extern "C" { // what it includes is included already
#include <malloc.h>
#include <unistd.h>

#include "api.h"
}

// Blocks with a header that only this heap knows: released by anybody else they crash, and releasing anybody else's fails.
struct headed_heap {
    long ntaken, nreleased;
    void *take(std::size_t size, std::size_t alignment = 16)
    {
        char *whole = static_cast<char *>(aligned_alloc(alignment, (size + 2 * alignment - 1) / alignment * alignment));
        if (!whole) return nullptr;
        ntaken++;
        header(whole + alignment) = {this, whole};
        return whole + alignment;
    }
    void release(void *p)
    {
        if (!p) return;
        struct header known = header(p);
        require(known.heap == this, "%p was released to the wrong heap\n", p);
        header(p) = {nullptr, nullptr};
        nreleased++;
        free(known.whole);
    }

  private:
    struct header {
        headed_heap *heap;
        void *whole;
    };
    static struct header &header(void *p) { return static_cast<struct header *>(p)[-1]; }
};

struct alignas(64) wide {
    char bytes[192];
};

// New and delete of every kind; what `made` holds at the end was made here and is released by the caller.
struct made {
    std::string *text;
    char *array;
    wide *aligned;
    wide *aligned_array;
    int *nothrow;
    std::map<int, std::string> *map;
};

extern "C" void work_make(made *made);

static inline void work_release(made *made)
{
    delete made->text;
    delete[] made->array;
    delete made->aligned;
    delete[] made->aligned_array;
    delete made->nothrow;
    delete made->map;
}

static inline void work_churn()
{
    std::map<int, std::string> map;
    std::vector<std::unique_ptr<std::vector<char>>> vectors;
    for (int i = 0; i < 2000; i++) {
        map[i * 7 % 500] += std::string(static_cast<std::size_t>(i % 90), 'x');
        vectors.emplace_back(new std::vector<char>(static_cast<std::size_t>(i)));
        if (i % 3 == 0) vectors[static_cast<std::size_t>(i / 2)].reset();
        operator delete(operator new(24, std::nothrow), std::nothrow);
        operator delete[](operator new[](24, std::nothrow), std::nothrow);
        operator delete(operator new(24, std::align_val_t(128), std::nothrow), std::align_val_t(128), std::nothrow);
        operator delete[](operator new[](24, std::align_val_t(128), std::nothrow), std::align_val_t(128), std::nothrow);
        operator delete(operator new(static_cast<std::size_t>(i)), static_cast<std::size_t>(i));
        operator delete[](operator new[](static_cast<std::size_t>(i)), static_cast<std::size_t>(i));
        operator delete(operator new(48, std::align_val_t(32)), std::size_t(48), std::align_val_t(32));
        operator delete[](operator new[](48, std::align_val_t(32)), std::size_t(48), std::align_val_t(32));
        std::unique_ptr<wide> aligned(new wide);
        require(reinterpret_cast<uintptr_t>(aligned.get()) % 64 == 0, "new wide is not aligned\n");
    }
    delete static_cast<wide *>(nullptr);
    operator delete(operator new(0));
    operator delete(operator new(0, std::align_val_t(64)), std::align_val_t(64));
}

#endif
