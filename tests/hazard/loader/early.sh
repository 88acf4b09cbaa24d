#!/usr/bin/env bash
# A program that calls malloc before anything has begun (early.c), as it is, and with the loader made to do more or other things at start.
set -euo pipefail

if [ $# -ne 2 ]; then
    echo "usage: tests/hazard/loader/early.sh LIBRARY PROGRAM"
    [ "${1-}" = --help ] && exit 0
    exit 2
fi
library=$(realpath -- "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
status=0

# try WHAT VARIABLE=VALUE...
try() {
    local what=$1
    shift
    if [ "$(timeout 60 env "$@" "$program" 2>"$work/err")" = "$expected" ] && [ ! -s "$work/err" ]; then
        echo "$what: good"
    else
        cat "$work/err"
        echo "$what: BROKEN"
        status=1
    fi
}

for program in "$2" "$(type -P ls)"; do
    expected=$("$program")
    for preload in LD_PRELOAD= "LD_PRELOAD=$library"; do
        name="$(basename "$program"), $(basename "$preload")"
        try "$name" "$preload"
        try "$name, LD_BIND_NOW" "$preload" LD_BIND_NOW=1
        try "$name, LD_BIND_NOT" "$preload" LD_BIND_NOT=1
        try "$name, LD_DEBUG" "$preload" LD_DEBUG=all LD_DEBUG_OUTPUT="$work/debug"
        [ "$(cat "$work"/debug.* | wc -l)" -gt 100 ] || { echo "LD_DEBUG wrote nothing: it shows nothing"; status=1; }
        try "$name, LD_PROFILE of libc" "$preload" LD_PROFILE=libc.so.6 LD_PROFILE_OUTPUT="$work"
        try "$name, LD_PROFILE of the library" "$preload" LD_PROFILE="$(basename "$library")" LD_PROFILE_OUTPUT="$work"
        try "$name, LD_DYNAMIC_WEAK" "$preload" LD_DYNAMIC_WEAK=1
    done
done
exit "$status"
