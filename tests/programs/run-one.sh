#!/usr/bin/env bash
# One real program on real input, without and with the library: stdout must be the same
# byte for byte, and so must the exit status.
#
# A case is a line of ../programs.tsv, or, where it needs more, a file cases/NAME.sh that sets
#   needs      the commands it runs; if one is missing the case is skipped (exit 77)
#   packages   the Debian packages that hold them
#   prepare    a function that makes the input; runs once, without the library, in $in
#   main       a function whose stdout is compared; runs twice, each time in a new, empty
#              folder of the same name, so that paths in the output agree
# and may set
#   loads      programs that must be seen to load the library, when not those of needs
#   quick=no   where ctest is to leave it to scripts/zoo.sh
# It can call `scaled FULL [LEAST]` for a size, and `as_other USER COMMAND...`.
set -euo pipefail

usage() {
    cat <<'END'
usage: tests/programs/run-one.sh LIBRARY CASE            run one case
       tests/programs/run-one.sh --list [quick]          the cases, or those that ctest runs
       tests/programs/run-one.sh --missing [CASE...]     the Debian packages that these cases, or all, lack here

Exit status: 0 same output and status, 1 different, 2 wrong usage, 77 skipped.

environment:
  MSPACE_TEST_SCALE=0.1   size of the input, a fraction of 1 (0.1 if not set)
  MSPACE_TEST_FULL=1      full size
  MSPACE_TEST_LIMIT=KIB   under this ulimit -v, both times; what fails without the library, too, is skipped
  MSPACE_TEST_KEEP=1      keep the folder with input and outputs, and say where it is
  MSPACE_MODE, MSPACE_CONF reach the program: so are the cases run in another mode

examples:
  tests/programs/run-one.sh build/libmspace.so sqlite
  MSPACE_TEST_FULL=1 tests/programs/run-one.sh build/libmspace.so python_json
  MSPACE_MODE=hardened tests/programs/run-one.sh build/libmspace.so git
END
}

cases=$(cd "$(dirname "${BASH_SOURCE[0]}")/cases" && pwd -P)
table=$(realpath "$cases/../../programs.tsv")

list_cases() {
    local file
    for file in "$cases"/*.sh; do
        if [ -z "${1:-}" ] || ! grep -q '^quick=no' "$file"; then basename "$file" .sh; fi
    done
    awk -F '\t' -v which="${1:-}" '!/^#/ && (which == "" || $4 == "ci") { print $1 }' "$table"
}

# line_of NAME: the case's line in the table, if it is there.
line_of() { awk -F '\t' -v name="$1" '$1 == name && !/^#/' "$table"; }

# load_case NAME: its variables and functions.
load_case() {
    needs='' packages='' loads=''
    if [ -f "$cases/$1.sh" ]; then
        # shellcheck source=/dev/null
        . "$cases/$1.sh"
        loads=${loads:-$needs}
        return
    fi
    IFS=$'\t' read -r _ packages needs _ command <<<"$(line_of "$1")"
    for program in $needs; do [ "${program#!}" != "$program" ] || loads+="$program "; done
    needs=${needs//!/}
    prepare() { :; }
    main() { eval "$command"; }
}

missing_needs() {
    local command
    for command in $needs; do
        type -P "$command" >/dev/null || echo "$command"
    done
}

list_missing() {
    local each
    for each in "$@"; do
        load_case "$each"
        [ -z "$(missing_needs)" ] || tr ' ' '\n' <<<"$packages"
    done | sort -u
}

# scaled FULL [LEAST]: FULL at full size, less otherwise, but never under LEAST.
# shellcheck disable=SC2317  # cases call it
scaled() { echo $(($1 * permille / 1000 > ${2:-1} ? $1 * permille / 1000 : ${2:-1})); }

# as_other USER COMMAND...: root becomes this user, for programs that refuse root.
# shellcheck disable=SC2317  # cases call it
as_other() {
    local user=$1
    shift
    if [ "$(id -u)" != 0 ]; then "$@"; return; fi
    setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups "$@"
}

fail() {
    printf '%s: %s\n' "$name" "$*" >&2
    failed=1
}

# run_main HOW [LIBRARY]: main's stdout, stderr and status in $work/HOW.{out,err,status}.
run_main() {
    local start status
    rm -rf "$work/run" "$work/tmp"
    mkdir "$work/run" "$work/tmp"
    start=$EPOCHREALTIME
    set +e
    (
        set -e
        cd "$work/run"
        [ -z "${MSPACE_TEST_LIMIT:-}" ] || ulimit -v "$MSPACE_TEST_LIMIT"
        if [ -n "${2-}" ]; then
            export LD_PRELOAD=$2
            grep -qF "$2" /proc/self/maps || { echo "grep ran without $2" >&2; exit 99; }
        fi
        main
    ) </dev/null >"$work/$1.out" 2>"$work/$1.err"
    status=$?
    set -e
    echo "$status" >"$work/$1.status"
    awk -v name="$name" -v how="$1" -v status="$status" -v from="$start" -v to="$EPOCHREALTIME" \
        'BEGIN { printf "%s %s: exit %d, %.2f s\n", name, how, status, to - from }'
}

# check_loads: the loader, asked as ldd asks it, maps the library into each program.
check_loads() {
    local program
    for program in $loads; do
        LD_TRACE_LOADED_OBJECTS=1 LD_PRELOAD=$library "$(type -P "$program")" 2>&1 | grep -F "$library" >/dev/null ||
            fail "$program does not load $library; is it statically linked, or of another architecture?"
    done
}

# check_same: what the case promises.
check_same() {
    cmp "$work/plain.out" "$work/with.out" >&2 || fail "stdout differs with the library"
    cmp -s "$work/plain.status" "$work/with.status" ||
        fail "exit status $(cat "$work/plain.status") without the library, $(cat "$work/with.status") with it"
    [ "$(cat "$work/plain.status")" -eq 0 ] || fail "the program fails without the library, so the case shows nothing"
    [ -s "$work/plain.out" ] || fail "main printed nothing, so the case shows nothing"
    ! grep -E 'mspace\[|ERROR: ld\.so' "$work/with.err" >&2 || fail "the library speaks on stderr"
}

case ${1-} in
    --help | -h) usage; exit 0 ;;
    --list) list_cases "${2-}"; exit 0 ;;
    --missing)
        shift
        # shellcheck disable=SC2046  # names without spaces
        [ $# -gt 0 ] || set -- $(list_cases)
        list_missing "$@"
        exit 0
        ;;
esac
if [ $# -ne 2 ]; then
    usage >&2
    exit 2
fi
library=$(realpath -e -- "$1" 2>/dev/null) || { echo "$1: no such library; build it first: cmake -B build && cmake --build build" >&2; exit 2; }
name=$2
[ -f "$cases/$name.sh" ] || [ -n "$(line_of "$name")" ] || { echo "$name: no such case; $0 --list shows them" >&2; exit 2; }

scale=${MSPACE_TEST_SCALE:-0.1}
[ "${MSPACE_TEST_FULL:-0}" = 0 ] || scale=1
[[ $scale =~ ^[0-9]*\.?[0-9]+$ ]] || { echo "MSPACE_TEST_SCALE: a number such as 0.1 or 1, not '$scale'" >&2; exit 2; }
permille=$(awk -v scale="$scale" 'BEGIN { printf "%d", scale * 1000 }')

load_case "$name"
missing=$(missing_needs | tr '\n' ' ')
if [ -n "$missing" ]; then
    echo "$name: skipped, $missing not installed (sudo apt-get install $packages)"
    exit 77
fi

# Same surroundings for both runs, and nothing written outside one temporary folder.
unset LD_PRELOAD MSPACE_STATS MSPACE_VERBOSE MSPACE_DISABLE MAKEFLAGS MFLAGS MAKELEVEL
work=$(mktemp -d)
work=$(realpath "$work")
in=$work/in
mkdir "$in" "$work/home"
chmod 711 "$work"
install -m 755 "$library" "$work/libmspace.so" # where every user can read it
library=$work/libmspace.so
export HOME=$work/home TMPDIR=$work/tmp LC_ALL=C TZ=UTC in
# shellcheck disable=SC2046,SC2317  # one word per process; the trap calls it
finish() {
    kill $(jobs -p) 2>/dev/null || true
    if [ -n "${MSPACE_TEST_KEEP:-}" ]; then echo "$name: kept in $work"; else rm -rf "$work"; fi
}
trap finish EXIT

failed=0
mkdir "$work/tmp"
cd "$in"
prepare
cd "$work"
run_main plain
if [ -n "${MSPACE_TEST_LIMIT:-}" ] && { [ "$(cat "$work/plain.status")" -ne 0 ] || [ ! -s "$work/plain.out" ]; }; then
    echo "$name: skipped, it fails under ulimit -v $MSPACE_TEST_LIMIT without the library, too"
    exit 77
fi
run_main with "$library"
check_loads
check_same
if [ "$failed" -ne 0 ]; then
    echo "$name: the last lines of stderr, without and with the library:" >&2
    tail -n 20 "$work/plain.err" "$work/with.err" >&2
    echo "$name: to look closer: MSPACE_TEST_KEEP=1 $0 $1 $name" >&2
fi
exit "$failed"
