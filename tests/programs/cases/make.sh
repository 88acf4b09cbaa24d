# shellcheck shell=bash disable=SC2034,SC2154
# make -j4 on a generated tree: objects, an archive, a program that runs.
needs="make gcc ar"
packages="make gcc libc6-dev binutils"

prepare() {
    awk -v files="$(scaled 200 20)" 'BEGIN {
        for (n = 0; n < files; n++) {
            file = sprintf("part%d.c", n)
            printf "#include <stdio.h>\n#include <stdlib.h>\nint part%d(int a)\n{\n    char *p = malloc(%d);\n", n, n * 10 + 10 >file
            printf "    int length = snprintf(p, %d, \"%%d\", a * %d);\n    free(p);\n    return length;\n}\n", n * 10 + 10, n + 1 >file
            printf "int part%d(int);\n", n >"parts.h"
            calls = calls sprintf("    sum += part%d(%d);\n", n, n)
            close(file)
        }
        printf "#include <stdio.h>\n#include \"parts.h\"\nint main(void)\n{\n    int sum = 0;\n%s    return printf(\"%%d\\n\", sum) < 0;\n}\n", calls >"main.c"
        print "objects := $(patsubst %.c,%.o,$(filter-out main.c,$(wildcard *.c)))" >"Makefile"
        print "all: program\nprogram: main.o libparts.a\n\t$(CC) -o $@ $^" >"Makefile"
        print "libparts.a: $(objects)\n\t$(AR) rcsD $@ $(sort $^)" >"Makefile"
        print "%.o: %.c\n\t$(CC) -O1 -c -o $@ $<\nmain.o: parts.h" >"Makefile"
        print "clean:\n\t$(RM) *.o libparts.a program" >"Makefile"
    }'
}

main() {
    cp "$in"/* .
    make -j4 CC=gcc >make.log
    sort make.log
    make -q
    ./program
    cat libparts.a
    make -s clean
    ls
}
