#!/usr/bin/env bash
# A program is executed again and again with the library and another preloaded object, whose constructor does what is to be survived.
set -euo pipefail
if [ "${1:-}" = --help ] || [ $# -lt 4 ]; then
    echo "usage: $0 TIMES LIBRARY OBJECT PROGRAM [ARGUMENT...]"
    echo "Runs PROGRAM TIMES times with LIBRARY and OBJECT preloaded, in either order in turn; each time it must end well."
    echo "example: $0 20 build/libmspace.so build/tests/hazard/threads/libhazard_forks_at_start.so /bin/true"
    exit $(($# < 4 && 1))
fi
times=$1 library=$2 object=$3
shift 3
for ((i = 0; i < times; i++)); do
    if ((i % 2)); then preload=$library:$object; else preload=$object:$library; fi
    LD_PRELOAD=$preload "$@" || { echo "FAILED: run $i, LD_PRELOAD=$preload: status $?"; exit 1; }
done
