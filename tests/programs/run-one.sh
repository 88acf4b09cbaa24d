#!/usr/bin/env bash
# One real program on real input, without and with the library: stdout must be the same
# byte for byte, and so must the exit status.
#
# A case is a line of ../programs.tsv, or, where it needs more, a file cases/NAME.sh that sets
#   needs      the commands it runs; if one is missing the case is skipped (exit 77)
#   packages   the Debian packages that hold them
#   prepare    a function that makes the input; runs once, without the library, in $in
#   main       a function whose stdout is compared; runs at least twice, each time in a new, empty
#              folder of the same name, so that paths in the output agree
# and may set
#   loads      programs that must be seen to load the library, when not those of needs
#   quick=no   where ctest is to leave it to scripts/zoo.sh
#   filter     a sed -E script that takes out of the output what differs from run to run anyway
# Both kinds can call what stands under "for cases" below.
set -euo pipefail

usage() {
    cat <<'END'
usage: tests/programs/run-one.sh LIBRARY CASE            run one case
       tests/programs/run-one.sh --list [quick]          the cases, or those that ctest runs
       tests/programs/run-one.sh --filter CASE           its filter
       tests/programs/run-one.sh --missing [CASE...]     the Debian packages that these cases, or all, lack here

Exit status: 0 same output and status, 1 different, 2 wrong usage, 3 crashed, 4 hung, 5 uneven (not
even the same in two runs without the library), 77 skipped.

environment:
  MSPACE_TEST_SCALE=0.1   size of the input, a fraction of 1 (0.1 if not set)
  MSPACE_TEST_FULL=1      full size
  MSPACE_TEST_LIMIT=KIB   under this ulimit -v, both times; what fails without the library, too, is skipped
  MSPACE_TEST_TWICE=1     run twice without the library, to see that the output is always the same
  MSPACE_TEST_SECONDS=100 a run hangs that takes longer, and ten times longer than without the library
  MSPACE_TEST_KEEP=1      keep the folder with input and outputs, and say where it is
  MSPACE_MODE, MSPACE_CONF reach the program: so are the cases run in another mode

examples:
  tests/programs/run-one.sh build/libmspace.so sqlite
  MSPACE_TEST_FULL=1 tests/programs/run-one.sh build/libmspace.so python_json
  MSPACE_MODE=hardened tests/programs/run-one.sh build/libmspace.so git
END
}

# Debian's programs, whatever else is installed, and those for root.
PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH

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
    needs='' packages='' loads='' filter=''
    if [ -f "$cases/$1.sh" ]; then
        # shellcheck source=/dev/null
        . "$cases/$1.sh"
        loads=${loads:-$needs}
        return
    fi
    IFS=$'\t' read -r _ packages needs _ command filter <<<"$(line_of "$1")"
    for program in $needs; do [ "${program#!}" != "$program" ] || loads+="$program "; done
    needs=${needs//!/}
    prepare() { :; }
    main() { eval "$command"; }
}

# missing_needs: commands that are not there and, where dpkg can tell, packages: a case may need a library or a module, too.
missing_needs() {
    local each
    for each in $needs; do
        type -P "$each" >/dev/null || echo "$each"
    done
    type -P dpkg-query >/dev/null || return 0
    for each in $packages; do
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$each" 2>/dev/null) == installed* ]] || echo "$each"
    done
}

list_missing() {
    local each
    for each in "$@"; do
        load_case "$each"
        [ -z "$(missing_needs)" ] || tr ' ' '\n' <<<"$packages"
    done | sort -u
}

# What follows, up to stop, is for cases.

# scaled FULL [LEAST]: FULL at full size, less otherwise, but never under LEAST.
# shellcheck disable=SC2317  # cases call it
scaled() { echo $(($1 * permille / 1000 > ${2:-1} ? $1 * permille / 1000 : ${2:-1})); }

# as_other USER COMMAND...: root becomes this user, for programs that refuse root.
# shellcheck disable=SC2317  # cases call it
as_other() {
    local user=$1
    shift
    if [ "$(id -u)" != 0 ]; then ${launch-} "$@"; return; fi
    ${launch-} setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups "$@"
}

# lines N: N lines of words and numbers, always the same.
# shellcheck disable=SC2317
lines() {
    awk -v lines="$1" 'BEGIN {
        for (n = 0; n < lines; n++)
            printf "%d word%d %s line %x\n", (n * 7919 + 13) % 1000003, n * 31 % 60013, substr("abcdefghijklmnopqrstuvwxyz", n % 20 + 1), n * 2654435761 % 4294967296
    }'
}

# files N: N text files, twenty to a folder, in the folder tree.
# shellcheck disable=SC2317
files() {
    lines $(($1 * 20)) | awk '
        NR % 20 == 1 { close(file); folder = "tree/d" int(n / 20); if (n % 20 == 0) system("mkdir -p " folder); file = folder "/f" n++ ".txt" }
        { print >file }'
}

# free_port: one of the loopback interface that nobody listens on.
# shellcheck disable=SC2317
free_port() {
    local port
    while port=$((20000 + RANDOM % 12000)); (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
    echo "$port"
}

# unprivileged COMMAND...: root becomes nobody, whose the folder of the run, $TMPDIR and $HOME then are.
# shellcheck disable=SC2317
unprivileged() {
    [ "$(id -u)" -ne 0 ] || LD_PRELOAD='' chown -R nobody . "$TMPDIR" "$HOME"
    as_other nobody "$@"
}

# start COMMAND...: a server, in the background; its pid is $server, what it says goes to server.log.
# shellcheck disable=SC2317
start() {
    { launch="exec"; [ "$(type -t "$1")" = function ] || set -- exec "$@"; "$@"; } >>server.log 2>&1 &
    server=$!
}

# ready COMMAND...: waits until it succeeds, as it does when the server answers.
# shellcheck disable=SC2317
ready() {
    local tries
    for ((tries = 0; tries < 600; tries++)); do
        ! "$@" >/dev/null 2>&1 || return 0
        kill -0 "$server" 2>/dev/null || break
        sleep 0.05
    done
    cat server.log >&2
    return 1
}

# stop [SIGNAL]: ends the server, and says how it ended. It must have had the library.
# shellcheck disable=SC2317
stop() {
    local status=0
    if [ -n "${LD_PRELOAD-}" ] && ! grep -qF "$LD_PRELOAD" "/proc/$server/maps"; then
        echo "the server ran without the library"
    fi
    kill "-${1:-TERM}" "$server"
    wait "$server" || status=$?
    echo "server: exit $status"
}

# fail RESULT WORDS...: the first result is the one that counts.
fail() {
    [ "$result" != 0 ] || result=$1
    printf '%s: %s\n' "$name" "${*:2}" >&2
}
different=1 crashed=3 hung=4 uneven=5

# end_leftovers: processes that the last run left behind; what it started has $in in its environment.
end_leftovers() {
    local pid
    for pid in /proc/[0-9]*; do
        ! grep -qsF "in=$in" "$pid/environ" || kill -KILL "${pid#/proc/}" 2>/dev/null || true
    done
}

# run_main HOW SECONDS [LIBRARY]: main's stdout, stderr and status in $work/HOW.{out,err,status}, the time it took in $took.
run_main() {
    local start=$EPOCHREALTIME status=0 pid dog how=$1 seconds=$2 preload=${3-}
    rm -rf "${work:?}"/{run,tmp,home,hung}
    mkdir "$work"/{run,tmp,home}
    # Each job is a process group of its own, so that all of it can be ended.
    set -m
    (
        set +m
        set -e
        cd "$work/run"
        [ -z "${MSPACE_TEST_LIMIT:-}" ] || ulimit -v "$MSPACE_TEST_LIMIT"
        if [ -n "$preload" ]; then
            export LD_PRELOAD=$preload
            grep -qF "$preload" /proc/self/maps || { echo "grep ran without $preload" >&2; exit 99; }
        fi
        main
    ) </dev/null >"$work/$how.out" 2>"$work/$how.err" &
    pid=$!
    (sleep "$seconds"; touch "$work/hung"; kill -KILL -- "-$pid") >/dev/null 2>&1 &
    dog=$!
    set +m
    { wait "$pid" || status=$?; } 2>/dev/null
    took=$(awk -v from="$start" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.2f", to - from }')
    kill -KILL -- "-$dog" "-$pid" 2>/dev/null || true
    { wait "$dog" || true; } 2>/dev/null
    end_leftovers
    [ ! -f "$work/hung" ] || status=hung
    if [ -n "$filter" ]; then
        sed -E "$filter" "$work/$how.out" >"$work/filtered"
        mv "$work/filtered" "$work/$how.out"
    fi
    echo "$status" >"$work/$how.status"
    echo "$name $how: exit $status, $took s"
}

# check_loads: the loader, asked as ldd asks it, maps the library into each program.
check_loads() {
    local program
    for program in $loads; do
        LD_TRACE_LOADED_OBJECTS=1 LD_PRELOAD=$library "$(type -P "$program")" 2>&1 | grep -F "$library" >/dev/null ||
            fail $different "$program does not load $library; is it statically linked, or of another architecture?"
    done
}

# check_plain: a case that shows something.
check_plain() {
    [ "$plain" = 0 ] || fail $different "the program fails without the library (exit status $plain), so the case shows nothing"
    [ -s "$work/plain.out" ] || fail $different "main printed nothing, so the case shows nothing"
    [ -n "${MSPACE_TEST_TWICE:-}" ] && [ "$result" = 0 ] || return 0
    run_main again "$least"
    { cmp "$work/plain.out" "$work/again.out" && cmp "$work/plain.status" "$work/again.status"; } >&2 ||
        fail $uneven "not even the same in two runs without the library, so the case shows nothing"
}

# check_same: what the case promises. 132 to 159 are the signals of a crash; a child of the program may crash and its parent carry on,
# but the library's last words are seen.
check_same() {
    local with
    with=$(cat "$work/with.status")
    [ "$with" != hung ] || fail $hung "no end after $seconds s"
    [[ ! $with =~ ^(13[2-69]|159)$ ]] || fail $crashed "ended by signal $((with - 128)) with the library"
    ! grep -aE 'mspace\[' "$work/with.err" >&2 || fail $crashed "the library speaks on stderr"
    ! grep -aE 'ERROR: ld\.so' "$work/with.err" >&2 || fail $different "the loader speaks on stderr"
    [ "$plain" = "$with" ] || fail $different "exit status $plain without the library, $with with it"
    cmp "$work/plain.out" "$work/with.out" >&2 || fail $different "stdout differs with the library"
}

case ${1-} in
    --help | -h) usage; exit 0 ;;
    --list) list_cases "${2-}"; exit 0 ;;
    --filter) load_case "${2-}"; echo "${filter:+filter $filter}"; exit 0 ;;
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
# shellcheck disable=SC2317  # the trap calls it
finish() {
    local pid
    for pid in $(jobs -rp); do kill -KILL -- "-$pid" 2>/dev/null || true; done
    end_leftovers
    if [ -n "${MSPACE_TEST_KEEP:-}" ]; then echo "$name: kept in $work"; else rm -rf "$work"; fi
}
trap finish EXIT
trap 'exit 130' INT TERM

result=0 least=${MSPACE_TEST_SECONDS:-100}
mkdir "$work/tmp"
cd "$in"
prepare
cd "$work"
run_main plain $((least * 2))
plain=$(cat "$work/plain.status")
if [ -n "${MSPACE_TEST_LIMIT:-}" ] && { [ "$plain" != 0 ] || [ ! -s "$work/plain.out" ]; }; then
    echo "$name: skipped, it fails under ulimit -v $MSPACE_TEST_LIMIT without the library, too"
    exit 77
fi
check_plain
if [ "$result" = 0 ]; then
    seconds=$(awk -v least="$least" -v took="$took" 'BEGIN { printf "%d", (took * 10 > least ? took * 10 : least) }')
    run_main with "$seconds" "$library"
    check_loads
    check_same
fi
if [ "$result" -ne 0 ]; then
    echo "$name: the last lines of stderr, without and with the library:" >&2
    tail -qn 20 "$work"/{plain,with}.err >&2 2>/dev/null || true
    echo "$name: to look closer: MSPACE_TEST_KEEP=1 $0 $1 $name" >&2
fi
exit "$result"
