// A plugin whose constructor waits for a thread that calls operators, while dlopen has the loader's lock.
#include <new>
#include <pthread.h>

static int *volatile place;

static void *work(void *)
{
    for (int i = 0; i < 1000; i++) {
        place = new int(i);
        delete place;
        place = new (std::nothrow) int[100];
        delete[] place;
    }
    return nullptr;
}

// Not std::thread, which calls an operator itself before there is another thread.
__attribute__((constructor)) static void construct()
{
    pthread_t thread;
    if (pthread_create(&thread, nullptr, work, nullptr) == 0) pthread_join(thread, nullptr);
}
