/* keys_first.c: an object, to be preloaded behind the allocator and linked with -z initfirst, which takes 100 keys before the
 * allocator's constructor. */
#include "support.h"

#include <pthread.h>

__attribute__((constructor)) static void take_keys(void)
{
    pthread_key_t key = 0;
    for (int i = 0; i < 100; i++) require(pthread_key_create(&key, NULL) == 0, "pthread_key_create\n");
    require(key >= 99, "the last of 100 keys is %u: others were first\n", key);
}
