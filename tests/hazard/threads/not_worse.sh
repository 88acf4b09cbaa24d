#!/usr/bin/env bash
# What no allocator can make safe is at least not worse than under glibc: a program that counts harm is run without and with the library.
set -euo pipefail
if [ "${1:-}" = --help ] || [ $# -lt 3 ]; then
    echo "usage: $0 LIBRARY PROGRAM ARGUMENT..."
    echo "PROGRAM prints a line 'harmful: N'. N under LIBRARY must not exceed N without it by more than chance."
    echo "example: $0 build/libmspace.so build/tests/hazard/threads/hazard_interrupted allocate"
    exit $(($# < 3 && 1))
fi
library=$1
shift
without=$("$@") || { status=$?; echo "$without"; exit $status; }
with=$(MSPACE_TEST_PRELOADED=1 LD_PRELOAD=$library "$@") || { echo "$with"; exit 1; }
printf 'glibc: %s\nlibmspace: %s\n' "$without" "$with"
count() { sed -n 's/^harmful: //p' <<<"$1"; }
without=$(count "$without") with=$(count "$with")
if [ -z "$without" ] || [ -z "$with" ]; then echo "FAILED: no count"; exit 1; fi
# More, by more than chance: 2.6 standard deviations of a difference of two counts, one time in 200.
more=$((with - without))
if ((more > 0 && more * more > 7 * (with + without))); then echo "FAILED: worse than glibc"; exit 1; fi
