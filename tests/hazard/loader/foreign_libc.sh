#!/usr/bin/env bash
# A dynamic program of another C library, musl, starts under the library, is served by it, takes its options and is told of its crimes.
set -euo pipefail

usage="usage: tests/hazard/loader/foreign_libc.sh LIBRARY     exit status 77: there is no musl-gcc (musl-tools)"
[ "${1-}" != --help ] || { echo "$usage"; exit 0; }
[ $# = 1 ] || { echo "$usage"; exit 2; }
library=$(realpath -- "$1") source=$(realpath -- "$(dirname "$0")")/foreign_libc.c
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
command -v musl-gcc >/dev/null || { echo "skipped: no musl-gcc"; exit 77; }
fail() { echo "$*"; cat out err; exit 1; }

musl-gcc -std=gnu11 -O0 -o program "$source"
export NAME=Nemo LD_PRELOAD=$library
./program >out 2>err || fail "exit status $?"
if [ "$(cat out)" != "child 7, Nemo" ] || [ -s err ]; then fail "other output"; fi
MSPACE_STATS=1 ./program >out 2>err || fail "exit status $? with MSPACE_STATS=1"
grep -q 'spans in use *[1-9]' err || fail "the library has served nothing"
for mode in fast hardened; do
    code=0
    MSPACE_MODE=$mode ./program crime >out 2>err || code=$?
    if [ "$code" != 134 ] || ! grep -q '^mspace\[.*free(): double free of' err; then fail "mode $mode: a block freed twice ends with $code"; fi
done
