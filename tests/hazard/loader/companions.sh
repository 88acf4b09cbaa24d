#!/usr/bin/env bash
# The library beside others that are preloaded too, or beside an auditor: in both orders programs print what they print with the other alone.
# Two allocators: the first has the program, and neither crashes.
set -euo pipefail

usage() {
    cat <<'END'
usage: tests/hazard/loader/companions.sh LIBRARY PROGRAM COMPANION [AUDITOR]

companions: faketime fakeroot eatmydata stdbuf heaptrack jemalloc auditor
PROGRAM is a C++ program with threads; ls, date, sort and python3 run besides. Exit status 77: the companion is not installed.

example:
  tests/hazard/loader/companions.sh build/libmspace.so build/tests/hazard/loader/hazard_hook_work faketime
END
}

case ${1-} in --help) usage; exit 0 ;; esac
[ $# -ge 3 ] || { usage >&2; exit 2; }
library=$(realpath -- "$1") program=$(realpath -- "$2") companion=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
status=0
variables=() wrapper=() other='' mark=$companion

# find_library FILE...: the first that is there.
find_library() {
    local file
    for file in "$@"; do
        [ ! -f "$file" ] || { echo "$file"; return; }
    done
    echo "$companion is not installed: $1" >&2
    exit 77
}

case $companion in
    faketime)
        other=$(find_library /usr/lib/*/faketime/libfaketimeMT.so.1 /usr/lib*/faketime/libfaketimeMT.so.1)
        variables=("FAKETIME=@2020-02-20 20:20:20" TZ=UTC)
        ;;
    fakeroot)
        command -v fakeroot >/dev/null || { echo "fakeroot is not installed"; exit 77; }
        wrapper=(fakeroot --) # its daemon, and what it preloads: itself
        ;;
    eatmydata) other=$(find_library /usr/lib/*/libeatmydata.so /usr/lib*/libeatmydata.so) ;;
    stdbuf)
        other=$(find_library /usr/libexec/coreutils/libstdbuf.so /usr/lib/coreutils/libstdbuf.so /usr/lib/*/coreutils/libstdbuf.so)
        variables=(_STDBUF_O=L)
        ;;
    heaptrack)
        other=$(find_library /usr/lib/*/heaptrack/libheaptrack_preload.so /usr/lib*/heaptrack/libheaptrack_preload.so)
        variables=("DUMP_HEAPTRACK_OUTPUT=$work/heaptrack")
        ;;
    jemalloc) other=$(find_library /usr/lib/*/libjemalloc.so.2 /usr/lib*/libjemalloc.so.2) ;;
    auditor)
        mark=$(basename "$4")
        variables=("LD_AUDIT=$(realpath -- "$4")")
        ;;
    *) usage >&2; exit 2 ;;
esac

# run ORDER COMMAND...: with the companion, the library before or after it, and after or before what a wrapper has preloaded.
run() {
    local order=$1 how
    shift
    # shellcheck disable=SC2016  # the inner shell is to expand it
    case $order in
        alone) how='LD_PRELOAD="$other $LD_PRELOAD"' ;;
        first) how='LD_PRELOAD="$library $other $LD_PRELOAD"' ;;
        last) how='LD_PRELOAD="$other $LD_PRELOAD $library"' ;;
    esac
    timeout 60 "${wrapper[@]}" env other="$other" library="$library" sh -c "exec env $how"' "$@"' "" "${variables[@]}" "$@"
}

# try WHAT COMMAND...
try() {
    local what=$1 order code
    shift
    run alone "$@" >"$work/plain" 2>"$work/plain.err" </dev/null || { echo "$what fails with $companion alone, exit status $?: it shows nothing"; return; }
    for order in first last; do
        code=0
        run "$order" "$@" >"$work/with" 2>"$work/err" </dev/null || code=$?
        if [ "$code" -eq 0 ] && cmp "$work/plain" "$work/with" && cmp -s "$work/plain.err" "$work/err"; then
            echo "$what, the library $order: good"
        else
            cat "$work/err"
            echo "$what, the library $order: BROKEN, exit status $code"
            status=1
        fi
    done
}

seq 30000 >"$work/numbers"
try date date -u +%Y-%m
try ls ls -l /usr/lib
try "C++ program" "$program"
try sort sort -r --parallel=2 "$work/numbers"
python=$(command -v python3 || true)
[ -z "$python" ] || python=$("$python" -c 'import sys; print(sys.executable)')
[ -z "$python" ] || try python3 "$python" -c '
import threading, tempfile, os
def work():
    [bytes(i % 3000) for i in range(20000)]
threads = [threading.Thread(target=work) for i in range(4)]
[t.start() for t in threads]; [t.join() for t in threads]
with tempfile.TemporaryFile() as file:
    file.write(b"x" * 100000); file.flush(); os.fsync(file.fileno())
print(os.popen("echo child").read())'
# That both are there.
for order in first last; do
    run "$order" cat /proc/self/maps >"$work/maps" </dev/null
    for each in "$(basename "$library")" "$mark"; do
        grep -q "$each" "$work/maps" || { echo "$each was not loaded: this shows nothing"; status=1; }
    done
done
# owns ORDER: the bytes of address space that our heap has taken, as its statistics say.
owns() { MSPACE_STATS=1 run "$1" "$program" 2>&1 >"$work/with" </dev/null | sed -n 's/.*heap range *\([0-9]*\) bytes.*/\1/p'; }
if [ "$companion" = jemalloc ]; then
    [ "$(owns first)" -gt 0 ] || { echo "before jemalloc: the program is not ours"; status=1; }
    [ "$(owns last)" -eq 0 ] || { echo "after jemalloc: the program is ours, in part"; status=1; }
fi
exit "$status"
