# shellcheck shell=bash disable=SC2034,SC2154
# clang -O2 on 10,000 lines of C: the object file, and the diagnostics of a file with errors.
needs="clang"
packages="clang"

prepare() {
    awk -v functions="$(scaled 1000 100)" 'BEGIN {
        print "#include <stdlib.h>\ntypedef float vec __attribute__((vector_size(16)));"
        for (n = 0; n < functions; n++) {
            printf "vec g%d(vec *a, const vec *b, int n)\n{\n    vec sum = { %d, 1, 2, 3 };\n", n, n
            printf "    int *seen = calloc(%d, sizeof *seen);\n", n % 50 + 1
            printf "    for (int i = 0; i < n; i++)\n        a[i] = a[i] * b[i %% %d] + sum, sum += a[i];\n", n % 7 + 1
            printf "    seen[n %% %d] += n;\n    sum[1] += (float)seen[0];\n    free(seen);\n    return sum;\n}\n", n % 50 + 1
        }
    }' >big.c
    awk 'BEGIN { for (n = 0; n < 200; n++) printf "int h%d(int a) { return a + undeclared%d; }\n", n, n }' >bad.c
}

main() {
    clang -O2 -g -c -o big.o "$in/big.c"
    cat big.o
    ! clang -ferror-limit=0 -fsyntax-only "$in/bad.c" 2>&1
}
