// e16_workload.cpp - E16: three ordinary C++ programs that live on operator new and delete.
//
//      map      std::map<int, std::string>: random inserts and erases among 20,000 nodes with strings of 24 to 55 bytes
//      string   building and dropping strings just too long for their inline buffer: a few instructions of work per new
//      objects  a vector of pointers to small polymorphic objects, replaced at random: sized delete by virtual destructor
// Prints nanoseconds per round of each; what is preloaded decides whose operators run.
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bench.h"

static size_t sink;

static void run_map()
{
    std::map<int, std::string> m;
    for (int i = 0; i < 400000; i++) {
        uint64_t r = random_next();
        int key = static_cast<int>(r % 40000);
        auto at = m.find(key);
        if (at != m.end())
            m.erase(at);
        else
            m.emplace(key, std::string(24 + (r >> 40) % 32, 'x'));
    }
    sink += m.size();
}

static void run_string()
{
    for (size_t i = 0; i < 4000000; i++) {
        std::string s(20 + (i & 15), 'y');
        sink += static_cast<unsigned char>(s[i & 7]);
    }
}

struct shape {
    virtual ~shape() {}
    virtual size_t area() const = 0;
};
struct square : shape {
    size_t side;
    explicit square(size_t n) : side(n) {}
    size_t area() const override { return side * side; }
};
struct box : shape {
    size_t side[5];
    explicit box(size_t n) : side{n, n, n, n, n} {}
    size_t area() const override { return side[0] * side[4]; }
};

static void run_objects()
{
    std::vector<std::unique_ptr<shape>> v(10000);
    for (int i = 0; i < 2000000; i++) {
        uint64_t r = random_next();
        std::unique_ptr<shape> &p = v[(r >> 32) % v.size()];
        if (r & 1)
            p.reset(new square(r & 63));
        else
            p.reset(new box(r & 63));
        sink += p->area();
    }
}

template <class F> static void timed(const char *name, F run, double rounds)
{
    run();
    double start = now_ns();
    run();
    row(name, (now_ns() - start) / rounds);
}

int main()
{
    timed("map", run_map, 400000);
    timed("string", run_string, 4000000);
    timed("objects", run_objects, 2000000);
    return sink == 1;
}
