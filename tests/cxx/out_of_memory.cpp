// Out of memory: bad_alloc, the new_handler, nullptr; by an impossible size, and by a limit on the address space.
#include "cxx.h"

#include <sys/resource.h>

static void *reserve;
static int nhandled;

static void free_the_reserve()
{
    nhandled++;
    require(reserve, "the handler runs again though its reserve was enough\n");
    munmap(reserve, std::size_t(512) << 20);
    reserve = nullptr;
}

static void give_up()
{
    nhandled++;
    std::set_new_handler(nullptr);
}

template <class Call> static bool throws(Call call)
{
    try {
        call();
    } catch (const std::bad_alloc &) {
        return true;
    }
    return false;
}

// In a frame that must be unwound, with something to destroy.
struct flag {
    bool *is_destroyed;
    ~flag() { *is_destroyed = true; }
};

__attribute__((noinline)) static void deep(int n, std::size_t size, bool *is_destroyed)
{
    flag guard{is_destroyed};
    if (n) deep(n - 1, size, is_destroyed);
    else operator delete(operator new(size));
}

static void try_impossible(std::size_t size)
{
    require(throws([=] { operator delete(operator new(size)); }), "new\n");
    require(throws([=] { operator delete[](operator new[](size)); }), "new[]\n");
    require(throws([=] { operator delete(operator new(size, std::align_val_t(64)), std::align_val_t(64)); }), "aligned new\n");
    require(throws([=] { operator delete[](operator new[](size, std::align_val_t(64)), std::align_val_t(64)); }),
            "aligned new[]\n");
    require(!operator new(size, std::nothrow), "nothrow new\n");
    require(!operator new[](size, std::nothrow), "nothrow new[]\n");
    require(!operator new(size, std::align_val_t(64), std::nothrow), "aligned nothrow new\n");
    require(!operator new[](size, std::align_val_t(64), std::nothrow), "aligned nothrow new[]\n");
    bool is_destroyed = false;
    require(throws([&] { deep(10, size, &is_destroyed); }) && is_destroyed, "not unwound\n");
    nhandled = 0;
    std::set_new_handler(give_up);
    require(throws([=] { operator delete(operator new(size)); }) && nhandled == 1, "the handler ran %d times\n", nhandled);
    std::set_new_handler(give_up);
    require(!operator new(size, std::nothrow) && nhandled == 2, "nothrow: the handler ran %d times\n", nhandled);
}

int main()
{
    watchdog(60);
    for (int i = 0; i < 1000; i++) try_impossible(opaque(SIZE_MAX / 4));

    const std::size_t size = std::size_t(256) << 20;
    reserve = mmap(nullptr, std::size_t(512) << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    require(reserve != MAP_FAILED, "no reserve\n");
    long npages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    require(statm && fscanf(statm, "%ld", &npages) == 1, "cannot read /proc/self/statm\n");
    fclose(statm);
    struct rlimit limit = {};
    limit.rlim_cur = limit.rlim_max = static_cast<rlim_t>(npages) * 4096 + (std::size_t(64) << 20);
    setrlimit(RLIMIT_AS, &limit);
    try_impossible(opaque(size));
    nhandled = 0;
    std::set_new_handler(free_the_reserve);
    void *p = operator new(size);
    require(p && nhandled == 1, "the handler ran %d times\n", nhandled);
    memset(p, 1, 4096);
    operator delete(p, size);

    std::set_new_handler(nullptr);
    std::vector<void *> blocks;
    bool is_full = throws([&] {
        for (;;) blocks.push_back(operator new(1000));
    });
    require(is_full && blocks.size() > 10000, "full after %zu blocks\n", blocks.size());
    for (void *block : blocks) operator delete(block);
    work_churn();
    require(api_verify() == 0, "broken laws\n");
    return 0;
}
