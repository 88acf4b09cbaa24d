#!/bin/sh
# No stack frame over 512 bytes, none of a size that is not known: programs run malloc on stacks of 16 KiB.
set -eu

if [ $# -ne 1 ] || [ "$1" = --help ]; then
    echo "usage: tests/abi/frames.sh FOLDER      FOLDER holds the *.su files that -fstack-usage leaves"
    echo "example: tests/abi/frames.sh build/CMakeFiles/mspace.dir"
    [ "${1-}" = --help ] && exit 0
    exit 2
fi

list=$(mktemp)
trap 'rm -f "$list"' EXIT
find "$1" -name '*.su' -exec cat {} + >"$list"
awk -F'\t' -v most=512 '
    { n++ }
    $2 > largest { largest = $2; where = $1 }
    $2 > most { printf "%s: a frame of %d bytes, over %d\n", $1, $2, most; nbroken++ }
    $3 == "dynamic" { printf "%s: a frame without bound\n", $1; nbroken++ }
    END {
        if (n < 100) { printf "only %d functions found: was this built with -fstack-usage?\n", n; exit 1 }
        printf "%d functions, largest frame %d bytes: %s\n", n, largest, where
        exit nbroken != 0
    }' "$list"
