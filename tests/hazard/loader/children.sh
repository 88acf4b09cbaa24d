#!/usr/bin/env bash
# What a shell under the library starts but the library cannot enter: 32-bit and static programs. They print what they print without.
# The loader of a 32-bit program complains of the wrong class, once, on stderr, of any 64-bit library; not with $LIB in LD_PRELOAD where each
# class has a file of its own.
set -euo pipefail

if [ $# -ne 2 ]; then
    echo "usage: tests/hazard/loader/children.sh LIBRARY KIND        KIND: m32 static busybox musl_static"
    echo "Exit status 77: what builds or runs such programs is not installed (gcc-multilib, busybox-static, musl-tools)."
    [ "${1-}" = --help ] && exit 0
    exit 2
fi
library=$(realpath -- "$1") kind=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
skip() { echo "skipped: $*"; exit 77; }

cat >hello.c <<'END_OF_HELLO'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(void)
{
    char *p = strdup("hello"), *q = realloc(p, 100000);
    printf("%s %d\n", q, (int)sizeof p * 8);
    free(q);
    return 7;
}
END_OF_HELLO
program=$work/hello
case $kind in
    m32) gcc -m32 -o hello hello.c 2>err || skip "gcc -m32: $(tail -1 err)" ;;
    static) gcc -static -o hello hello.c 2>err || skip "gcc -static: $(tail -1 err)" ;;
    musl_static) musl-gcc -static -o hello hello.c 2>err || skip "musl-gcc: $(tail -1 err)" ;;
    busybox)
        command -v busybox >/dev/null || skip "no busybox"
        ! ldd "$(type -P busybox)" >/dev/null 2>&1 || skip "busybox is not static"
        printf '#!/bin/sh\nexec busybox sh -c "echo hello; seq 3 | busybox sort -r; exit 7"\n' >hello
        chmod +x hello
        ;;
    *) skip "no such kind: $kind" ;;
esac

# run PRELOAD: the program as a child of a shell that has the library.
run() {
    code=0
    # shellcheck disable=SC2016  # the inner shell is to expand it
    env ${1:+"LD_PRELOAD=$1"} bash -c '"$1"; code=$?; echo "and then $(grep -c mspace /proc/self/maps | sed s/^[1-9].*/ours/)"; exit $code' "" "$program" >out 2>err || code=$?
}

run ""
[ "$code" -eq 7 ] || skip "the program does not run here"
sed 's/and then 0/and then ours/' out >plain
run "$library"
[ "$code" -eq 7 ] || { cat err; echo "exit status $code"; exit 1; }
cmp plain out
echo "stderr: $(cat err)"
if [ "$kind" != m32 ]; then
    [ ! -s err ] || { echo "something on stderr"; exit 1; }
    exit 0
fi
grep -q 'wrong ELF class: ELFCLASS64' err && [ "$(wc -l <err)" = 1 ] || exit 1

# A file for each class, the 32-bit one empty, wherever each loader takes $LIB to be.
echo >empty.c
for lib in lib64 lib/x86_64-linux-gnu; do
    mkdir -p $lib
    cp "$library" $lib/libmspace.so
done
for lib in lib32 lib/i386-linux-gnu; do
    mkdir -p $lib
    gcc -m32 -shared -o $lib/libmspace.so empty.c
done
# shellcheck disable=SC2016  # the loader is to expand it
run "$work"'/$LIB/libmspace.so'
cat err
[ "$code" -eq 7 ] && [ ! -s err ] && cmp plain out
