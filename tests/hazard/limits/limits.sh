#!/bin/bash
# H37, H38: what a program does under a limit with glibc, it does with the library under 8 MiB more: the same output and status, from
# 8 MiB to 1 GiB. The 8 MiB are spans for each size and steps of the range, of which the largest such program here needs 6.8 (python3: 20.2
# instead of 13.6 MiB of address space, 12.6 instead of 5.8 of data; ls 5.4 and 3.4; under jemalloc 26 and 17.5, under tcmalloc 27 and 16.8).
set -euo pipefail

if [ $# -lt 2 ]; then
    cat <<'END'
usage: tests/hazard/limits/limits.sh LIBRARY as|data [KIB...]
    as      ulimit -v, address space; data: ulimit -d, private memory that can be written
    KIB     the limits, in KiB; by default 8192 to 1048576
example: tests/hazard/limits/limits.sh build/libmspace.so as 20000
A program that fails under glibc at a limit is not asked there; at the largest all must run.
Exit status: 0 good, 1 not, 77 no program is there.
END
    [ "${1-}" = --help ] && exit 0
    exit 2
fi
library=$1 kind=$2 allowance=8192
shift 2
[ $# -gt 0 ] || set -- 8192 10240 12288 16384 24576 32768 65536 131072 262144 524288 1048576
option=-v
[ "$kind" = as ] || option=-d
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/files"
(cd "$work/files" && seq 300 | xargs touch) # nobody else's: what is listed twice must be the same
for _ in $(seq 3000); do echo "line $RANDOM of $RANDOM"; done >"$work/lines"

# The commands. python3 by its own name, or a wrapper's shell would be what is limited.
python=$(python3 -c 'import sys; print(sys.executable)' 2>/dev/null || true)
names=(ls bash sort awk)
[ -z "$python" ] || names+=(python)
# shellcheck disable=SC2016
command_of() {
    case $1 in
        ls) command=(ls -l "$work/files") ;;
        bash) command=(bash -c 'x=(); for ((i = 0; i < 5000; i++)); do x+=("item $i"); done; echo "${#x[@]} ${x[*]: -1}"') ;;
        sort) command=(sort --parallel=1 "$work/lines") ;;
        awk) command=(awk '{ seen[$2] = seen[$2] $4 } END { for (k in seen) n += length(seen[k]); print n }' "$work/lines") ;;
        python) command=("$python" -S -c 'print(sum(len(str(i)) for i in [i * i for i in range(50000)]))') ;;
    esac
}

# under KIB LIBRARY OUTPUT: the command's status
under() {
    # shellcheck disable=SC2016
    LC_ALL=C LD_PRELOAD=$2 bash -c 'ulimit "$0" "$1"; shift; exec "$@"' "$option" "$1" "${command[@]}" >"$3" 2>"$3.err"
}

asked=0 broken=0
for name in "${names[@]}"; do
    command_of "$name"
    command -v "${command[0]}" >/dev/null || continue
    for kib in "$@"; do
        status=0
        under "$kib" "" "$work/glibc" || status=$?
        if [ "$status" -ne 0 ]; then
            [ "$kib" != "${*: -1}" ] || { echo "$name does not run under $kib KiB with glibc"; exit 1; }
            continue
        fi
        asked=$((asked + 1))
        status=0
        under $((kib + allowance)) "$library" "$work/ours" || status=$?
        if [ "$status" -ne 0 ] || ! cmp -s "$work/glibc" "$work/ours" || ! cmp -s "$work/glibc.err" "$work/ours.err"; then
            broken=$((broken + 1))
            echo "$name under $kib + $allowance KiB ($kind): exit status $status"
            head -n 3 "$work/ours.err"
        fi
    done
done
echo "$asked runs, $broken of them otherwise than with glibc"
[ "$asked" -gt 0 ] || exit 77
exit $((broken > 0))
