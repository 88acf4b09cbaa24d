#!/bin/sh
# Start-up in system calls, against the same command with an empty shared object preloaded: at most 5 more, all of them mmap or madvise,
# and no file opened. None for a program that never allocates.
set -eu

most=5

if [ $# -ne 2 ]; then
    echo "usage: tests/abi/syscalls.sh LIBRARY EMPTY       two shared objects to preload"
    echo "Exit status: 0 good, 1 too many, 77 strace is missing or may not trace."
    [ "${1-}" = --help ] && exit 0
    exit 2
fi
command -v strace >/dev/null || { echo "strace: not installed (sudo apt-get install strace)"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# count LIBRARY NAME PROGRAM...: "calls name" for each system call of the program, from exec to exit.
count() {
    library=$1 name=$2
    shift 2
    strace -f -qq -o "$work/$name.trace" -E "LD_PRELOAD=$library" -E LC_ALL=C "$@" || { echo "strace may not trace here"; exit 77; }
    sed -n 's/^[0-9]* *\([a-z_0-9]*\)(.*/\1/p' "$work/$name.trace" | sort | uniq -c | awk '{ print $2, $1 }' >"$work/$name"
}

# compare NAME NAME MOST. Calls that ours saves (brk) do not make up for others.
compare() {
    awk -v most="$3" '
        NR == FNR { base[$1] = $2; next }
        { seen[$1] = $2 }
        END {
            for (name in seen) {
                extra = seen[name] - base[name]
                if (extra <= 0) continue
                printf "%d more: %s\n", extra, name
                sum += extra
                if (name != "mmap" && name != "madvise") { printf "neither mmap nor madvise: %s\n", name; nbroken++ }
            }
            printf "%d more system calls, at most %d\n", sum, most
            exit nbroken || sum > most
        }' "$work/$1" "$work/$2"
}

count "$2" empty cat /dev/null
count "$1" ours cat /dev/null
compare empty ours $most
count "$2" empty_idle true
count "$1" ours_idle true
compare empty_idle ours_idle 0
