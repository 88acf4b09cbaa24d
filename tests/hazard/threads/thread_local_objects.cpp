/*
 * thread_local_objects.cpp: one of three shared objects, each with thread_local C++ objects whose destructors check and free what
 * the thread holds. WHICH: its number. host of them: tls_of_libraries.c.
 */
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#define NAME2(a, b) a##b
#define NAME(a, b) NAME2(a, b)

namespace {

struct Owner {
    std::vector<std::string> words;
    std::unique_ptr<char[]> block;
    size_t size;
    explicit Owner(size_t n) : block(new char[n]), size(n)
    {
        memset(block.get(), 0x11 * WHICH, n);
        for (size_t i = 0; i < 20; i++) words.emplace_back(i * 7 + 1, static_cast<char>('a' + WHICH));
    }
    ~Owner()
    {
        for (size_t i = 0; i < size; i++) check(block[i] == 0x11 * WHICH);
        for (size_t i = 0; i < words.size(); i++) check(words[i] == std::string(i * 7 + 1, static_cast<char>('a' + WHICH)));
        std::vector<int> more(1000, WHICH); /* and allocates */
        check(more[999] == WHICH);
    }
    static void check(bool is_whole)
    {
        if (is_whole) return;
        static const char text[] = "FAILED: a thread_local object was damaged\n";
        fwrite(text, 1, sizeof text - 1, stderr);
        abort();
    }
};

thread_local Owner small(40 * WHICH), medium(5000 * WHICH);
thread_local std::unique_ptr<Owner> large(new Owner(100000 * WHICH));

} // namespace

extern "C" size_t NAME(objects_touch_, WHICH)(void) { return small.words.size() + medium.words.size() + large->words.size(); }
