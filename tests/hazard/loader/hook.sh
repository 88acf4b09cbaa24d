#!/usr/bin/env bash
# The library beside another preloaded one that takes over the system calls and the mutex and allocates in each (hook.c), in both orders:
# programs print what they print without, and not one of the calls comes from the library, neither at start nor later.
set -euo pipefail

usage() {
    cat <<'END'
usage: tests/hazard/loader/hook.sh LIBRARY HOOK PROGRAM

PROGRAM is hook_work, which calls everything that HOOK takes over. ls and python3, where installed, run besides.

example:
  tests/hazard/loader/hook.sh build/libmspace.so build/tests/hazard/loader/libhazard_hook.so build/tests/hazard/loader/hazard_hook_work
END
}

[ "${1-}" != --help ] || { usage; exit 0; }
[ $# -eq 3 ] || { usage >&2; exit 2; }
library=$(realpath -- "$1") hook=$(realpath -- "$2") program=$(realpath -- "$3")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
status=0

# judge WHAT ALL: what the hook counted; ALL=1: every hook must have been called at least once.
judge() {
    [ -s "$work/report" ] || { echo "$1: the hook was not there"; status=1; return; }
    awk -v what="$1" -v all="$2" '
        { for (i = 1; i < NF; i += 3) { calls[$i] += $(i + 1); ours[$i] += $(i + 2); total += $(i + 1) } }
        END {
            for (name in calls) {
                if (ours[name]) { printf "%s: %d calls of %s from the library\n", what, ours[name], name; bad = 1 }
                if (all && !calls[name]) { printf "%s: %s was never called: the hook shows nothing\n", what, name; bad = 1 }
            }
            printf "%s: %d calls, none by the library: %s\n", what, total, bad ? "NO" : "yes"
            exit bad
        }' "$work/report" || status=1
}

# try WHAT ALL COMMAND...
try() {
    local what=$1 all=$2 order first
    shift 2
    timeout 100 "$@" >"$work/plain" </dev/null || { echo "$what: fails without the library"; exit 1; }
    for order in "$library:$hook" "$hook:$library"; do
        first=$(basename "${order%%:*}")
        rm -f "$work/report"
        timeout 100 env HOOK_REPORT="$work/report" HOOK_WATCH="$(basename "$library")" LD_PRELOAD="$order" "$@" >"$work/with" 2>"$work/err" </dev/null || {
            echo "$what, $first first: exit status $?"
            status=1
        }
        if ! cmp "$work/plain" "$work/with" || [ -s "$work/err" ]; then
            cat "$work/err"
            echo "$what, $first first: prints something else"
            status=1
        fi
        judge "$what, $first first" "$all"
    done
}

try ls 0 ls -l /usr/lib
try "C++ program" 1 "$program"
python=$(command -v python3 || true)
[ -z "$python" ] || python=$("$python" -c 'import sys; print(sys.executable)')
[ -z "$python" ] || try python3 0 "$python" -c 'import json, re, threading; print(len(json.dumps([list(range(i)) for i in range(500)])))'
exit "$status"
