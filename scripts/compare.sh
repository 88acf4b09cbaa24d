#!/usr/bin/env bash
# Run a program under glibc's malloc, libmspace and every other allocator there is, and compare time and memory.
set -eu
# shellcheck source-path=SCRIPTDIR source=lib/setup.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/setup.sh"
# shellcheck source-path=SCRIPTDIR source=lib/allocators.sh
. "$root/scripts/lib/allocators.sh"
# shellcheck source-path=SCRIPTDIR source=lib/picture.sh
. "$root/scripts/lib/picture.sh"

usage() {
    cat <<'END'
usage: scripts/compare.sh [OPTIONS] -- PROGRAM [ARGS...]
       scripts/compare.sh [OPTIONS] --server COMMAND --client COMMAND
       scripts/compare.sh                    (a demonstration, under a minute)

Runs the unmodified PROGRAM under glibc's malloc, libmspace and every other allocator found on this machine, in random order
and taking turns, and prints time and peak memory of each: median, spread (the distance between the quartiles), the ratio to
the baseline with its 95 % interval, and a verdict. A verdict needs two things: an interval that excludes 1 at 99 %, and a
difference of at least 1 % in time, or of 2 % and 256 KiB in memory. Every run must end, and print, as it does under the
baseline, with the library really loaded; one that does not gets a line that says so, and no figures.

options
  -a NAME, -a NAME=FILE   only these allocators and the baseline; may be repeated
  -n, --runs N            measured runs of each (default 10; 5 at least for a verdict), after one that does not count
  --baseline NAME         what ratios refer to (default glibc)
  --time-limit SECONDS    start no round that would end later
  --timeout SECONDS       a run that takes longer hangs (default 20 times the baseline's, and 10 s)
  --seed N                for the order and the intervals; printed with the figures
  --ignore-output         for programs whose output differs from run to run
  --stdin FILE            standard input (default /dev/null)
  --env NAME=VALUE        for the program; may be repeated
  --cwd FOLDER            where the program runs
  --prepare COMMAND       a shell command before every run, not measured
  --figure WORD           for benchmarks: time is the N of the output's line `WORD N ns/op`
  --server COMMAND        a shell command (one that execs the server) that runs under the allocator: its memory is measured,
  --client COMMAND        and the time of this one, which puts load on it and runs without; then the server gets SIGTERM
  --ready COMMAND         succeeds once the server can be used
  --svg FILE, --html FILE a picture of time and memory, with intervals (needs gnuplot)
  --json FILE, --csv FILE the figures with all runs, for other programs; - is standard output, and then there is no table
  --help                  this text

Peak memory is the kernel's (ru_maxrss); "anon" the largest sample of anonymous memory, without file pages, in the run
that does not count. Exit status: 0 all ran; 1 under some allocator the program failed; 2 nothing could be measured.

examples
  scripts/compare.sh -- python3 -c 'x = [str(i) for i in range(300000)]'
  scripts/compare.sh -n 20 -a libmspace -a jemalloc --svg sort.svg -- sort --parallel=2 names.txt
  scripts/compare.sh -a old=/tmp/old.so -a libmspace --baseline old --json - -- ./program
  scripts/compare.sh --server 'exec redis-server --port 7777 --save ""' --ready 'redis-cli -p 7777 ping' \
      --client 'redis-benchmark -p 7777 -q -n 100000 -t set,lpush'
END
}

usage_error() {
    say "$*"
    say "see $0 --help"
    exit 2
}

allocators=() options=() baseline=glibc client='' server='' svg='' html='' runs=()
while [ $# -gt 0 ]; do
    case $1 in
        --?*=*)
            option=${1%%=*} value=${1#*=}
            shift
            set -- "$option" "$value" "$@"
            continue
            ;;
        --help | -h) usage; exit 0 ;;
        --ignore-output) options+=("$1"); shift; continue ;;
        --) shift; break ;;
        -a | -n | --runs | --baseline | --time-limit | --timeout | --seed | --stdin | --env | --cwd | --prepare | --figure | \
            --server | --client | --ready | --svg | --html | --json | --csv)
            [ $# -ge 2 ] || usage_error "$1 takes a value"
            ;;
        -*) usage_error "unknown option '$1' (after -- it would be the program)" ;;
        *) break ;;
    esac
    case $1 in
        -a) allocators+=("$2") ;;
        -n | --runs) runs=(--runs "$2") ;;
        --baseline) baseline=$2 ;;
        --client) client=$2 ;;
        --server) server=$2 options+=(--server "$2") ;;
        --svg) svg=$2 ;;
        --html) html=$2 ;;
        *) options+=("$1" "$2") ;;
    esac
    shift 2
done

if [ -n "$server$client" ]; then
    if [ -z "$server" ] || [ -z "$client" ]; then usage_error "--server and --client go together"; fi
    [ $# -eq 0 ] || usage_error "with --server and --client there is no PROGRAM: '$1'"
    set -- /bin/sh -c "$client"
    options+=(--title "$client")
fi
if [ $# -eq 0 ]; then
    [ -z "${options[*]-}${allocators[*]-}${runs[*]-}$svg$html" ] || usage_error "which program? it comes after --"
    exec "$root/scripts/bench.sh" --demonstration
fi
[ -z "$svg$html" ] || need_gnuplot
is_built compare || build compare

chosen=()
if [ ${#allocators[@]} -eq 0 ]; then mapfile -t chosen < <(allocators_found); fi
for allocator in ${allocators[@]+"${allocators[@]}"}; do
    named=$(allocator_named "$allocator") || exit 2
    chosen+=("$named")
done
case " ${chosen[*]-}" in
    *" $baseline="*) ;;
    *)
        named=$(allocator_named "$baseline") || exit 2
        chosen=("$named" ${chosen[@]+"${chosen[@]}"})
        ;;
esac
arguments=(--baseline "$baseline" ${runs[@]+"${runs[@]}"})
for allocator in "${chosen[@]}"; do arguments+=(--allocator "$allocator"); done

[ -n "$svg$html" ] || exec "$build/compare" "${arguments[@]}" ${options[@]+"${options[@]}"} -- "$@"
status=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$build/compare" "${arguments[@]}" ${options[@]+"${options[@]}"} --plot "$work/plot" -- "$@" >"$work/table" || status=$?
cat "$work/table"
[ "$status" -le 1 ] || exit "$status"
picture_draw "$work/plot" "$work/svg" "$*"
[ -z "$svg" ] || cp "$work/svg" "$svg"
[ -z "$html" ] || picture_page "$work/svg" "$work/table" "$html" "$*"
exit "$status"
