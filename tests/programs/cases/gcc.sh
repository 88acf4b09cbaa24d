# shellcheck shell=bash disable=SC2034,SC2154
# gcc -O2 on 10,000 lines of C: the assembly and the object file.
needs="gcc"
packages="gcc libc6-dev"

# Ten lines a function: arithmetic, a loop, a switch, a struct, calls to earlier functions.
prepare() {
    awk -v functions="$(scaled 1000 100)" 'BEGIN {
        print "#include <stdio.h>\n#include <string.h>\nstruct node { struct node *next; long key; char name[24]; };"
        for (n = 0; n < functions; n++) {
            printf "static long f%d(long a, struct node *list)\n{\n", n
            printf "    long table[%d] = { %d, %d, a }, sum = a * %dL;\n", n % 13 + 4, n, n * 7, n * 2654435761 % 1000003
            printf "    for (struct node *p = list; p; p = p->next) sum += p->key ^ table[p->key %% %d];\n", n % 4 + 1
            printf "    switch (sum %% %d) { case 0: sum ^= %d; break; case 1: sum <<= 3; break; default: sum += (long)strlen(list->name); }\n", n % 5 + 3, n
            printf "    while (sum > %d) sum = sum / 3 - a;\n", n * 100 + 50
            printf "    if (sum < 0) printf(\"%%ld function %d\\n\", sum);\n", n
            printf "    table[1] = %s;\n", n ? "f" int(n * 0.7) "(sum, list)" : "sum"
            printf "    return sum + table[a & 1];\n}\n"
        }
        printf "int main(void)\n{\n    struct node list = { 0, 1, \"one\" };\n    long sum = 0;\n"
        for (n = 0; n < functions; n++) printf "    sum += f%d(%d, &list);\n", n, n
        print "    return (int)(sum & 63);\n}"
    }' >big.c
    loads="gcc $(gcc -print-prog-name=cc1) $(gcc -print-prog-name=as)"
}

main() {
    gcc -O2 -g -save-temps -c -o big.o "$in/big.c"
    cat big.s big.o
}
