#!/bin/sh
# One bad program under the library, three times: as it is, with on_error=report, with on_error=ignore.
set -eu

usage() {
    cat <<'END'
usage: tests/crimes/run.sh LIBRARY PROGRAM EXPECTED     run one program; its line is looked up in the file EXPECTED
       tests/crimes/run.sh --list EXPECTED              the names that have a line

As it is, the program must die of SIGABRT having written to standard error the one line that is expected, and nothing
else; "at once" and "late" are checked against its marks (crime.h). With on_error=report it must go on after that line
and exit 0, with on_error=ignore exit 0 in silence. A program of no crime must exit 0 in silence each time.

example:
  tests/crimes/run.sh build/libmspace.so build/tests/crimes/double_free tests/crimes/expected.txt
END
}

fail() {
    printf '%s: %s\n' "$name" "$*"
    printf '%s\n' "--- standard output:" && cat "$work/out"
    printf '%s\n' "--- standard error:" && cat "$work/err"
    exit 1
}

# run CONF: the program's status in $status, its process number in $pid.
run() {
    env LD_PRELOAD="$library" MSPACE_TEST_PRELOADED=1 MSPACE_CONF="$1" "$program" >"$work/out" 2>"$work/err" &
    pid=$!
    status=0
    wait "$pid" 2>/dev/null || status=$?
}

# The expected line of this run: P and N filled in, and all but Q quoted for grep -E.
pattern() {
    address=$(sed -n 's/^crime //p' "$work/out")
    printf '%s\n' "$sentence" | sed -e 's/[][().*+?^$\\{}|]/\\&/g' -e "s/^mspace\\\\\\[N/mspace\\\\[$pid/" \
        -e "s/\\bP\\b/$address/" -e 's/\bQ\b/0x[0-9a-f]+/g'
}

has_line() { grep -Eqx -e "$(pattern)" "$work/err"; }

check_abort() {
    [ "$status" -eq 134 ] || fail "exit status $status, not 134 (SIGABRT)"
    [ "$(wc -l <"$work/err")" -eq 1 ] || fail "standard error has not one line"
    has_line || fail "standard error is not '$(pattern)'"
    case $when in
        "at once") ! grep -q '^done' "$work/out" || fail "came late" ;;
        late) grep -q '^done' "$work/out" || fail "came at once: expected.txt can say more" ;;
        *) fail "expected.txt says '$when': not 'at once', 'late' or 'no crime'" ;;
    esac
}

check_silence() {
    [ "$status" -eq 0 ] || fail "$1: exit status $status, not 0"
    [ ! -s "$work/err" ] || fail "$1: standard error is not empty"
}

case ${1-} in
    --help | -h) usage; exit 0 ;;
    --list) sed -n '/^#/!s/ *|.*//p' "$2"; exit 0 ;;
esac
[ $# -eq 3 ] || { usage >&2; exit 2; }
library=$1 program=$2 name=$(basename "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
: >"$work/out"
: >"$work/err"
line=$(grep -E "^$name +\\|" "$3") || fail "has no line in $3"
when=$(printf '%s\n' "$line" | sed 's/^[^|]*| *//; s/ *|.*//')
sentence=$(printf '%s\n' "$line" | sed 's/^[^|]*|[^|]*| *//')

# shellcheck disable=SC3045  # every /bin/sh of Linux has it
ulimit -c 0
if [ "$when" = "no crime" ]; then
    for conf in on_error=abort on_error=report; do
        run $conf
        check_silence $conf
    done
else
    run on_error=abort
    check_abort
    run on_error=report
    [ "$status" -eq 0 ] || fail "on_error=report: exit status $status, not 0"
    has_line || fail "on_error=report: standard error lacks '$(pattern)'"
fi
run on_error=ignore
check_silence on_error=ignore
