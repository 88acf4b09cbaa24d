// hook_work.cpp: a C++ program that allocates on threads, throws, and calls everything that hook.c takes over.
#include <fcntl.h>
#include <malloc.h>
#include <mutex>
#include <stdexcept>
#include <string>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "support.h"

static std::mutex mutex;
static long sum;

static void work(int id)
{
    std::vector<std::string> strings;
    for (int i = 0; i < 20000; i++) {
        strings.emplace_back(static_cast<std::size_t>((i * 7 + id) % 3000), 'x');
        if (strings.size() > 300) strings.erase(strings.begin(), strings.begin() + 150);
        std::lock_guard<std::mutex> hold(mutex);
        sum += static_cast<long>(strings.back().size());
    }
    try {
        throw std::runtime_error(std::string(1000, 'e'));
    } catch (const std::runtime_error &error) {
        require(strlen(error.what()) == 1000, "what() is %zu bytes\n", strlen(error.what()));
    }
    void *p = malloc(1 << 20);
    for (std::size_t n = 2 << 20; n < 200u << 20; n *= 2) p = realloc(p, n); // moved by mremap, given back by munmap or madvise
    free(p);
    malloc_trim(0);
}

int main()
{
    watchdog(60);
    std::vector<std::thread> threads;
    for (int id = 0; id < 4; id++) threads.emplace_back(work, id);
    for (auto &thread : threads) thread.join();
    require(now_ns() != 0 && getenv("HOOK_WORK_NO_SUCH") == nullptr, "clock or environment\n");
    void *p = mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    require(p != MAP_FAILED && mprotect(p, 4096, PROT_READ) == 0 && mprotect(p, 4096, PROT_READ | PROT_WRITE) == 0,
            "mmap, mprotect\n");
    p = mremap(p, 8192, 4096, MREMAP_MAYMOVE);
    require(p != MAP_FAILED && madvise(p, 4096, MADV_DONTNEED) == 0 && munmap(p, 4096) == 0, "mremap, madvise, munmap\n");
    char byte;
    int fd = open("/dev/zero", O_RDONLY);
    require(fd >= 0 && read(fd, &byte, 1) == 1 && close(fd) == 0, "open, read\n");
    say("sum %ld\n", sum);
}
