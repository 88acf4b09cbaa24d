/* cut_off.c: a shared object that ends before its program headers do is refused by dlopen, whatever the flags: cut_off OBJECT.
 * (Of one that ends later glibc itself may die.) */
#include "support.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    static char bytes[4096] __attribute__((aligned(16)));
    const ElfW(Ehdr) *header = (const void *)bytes;
    char path[] = "/tmp/mspace-cut-off-XXXXXX";
    int from = argc > 1 ? open(argv[1], O_RDONLY) : -1, to = mkstemp(path);
    require(from >= 0 && to >= 0, "no object\n");
    require(read(from, bytes, sizeof bytes) == sizeof bytes, "read\n");
    for (ssize_t length = 0; length < (ssize_t)(header->e_phoff + header->e_phnum * sizeof(ElfW(Phdr))); length += 4) {
        require(ftruncate(to, 0) == 0 && pwrite(to, bytes, (size_t)length, 0) == length, "write\n");
        require(!dlopen(path, RTLD_NOW | RTLD_DEEPBIND), "%zd bytes are opened\n", length);
        require(dlerror() != NULL, "and no error\n");
    }
    unlink(path);
    return 0;
}
