#!/usr/bin/env bash
# Real programs, without and with the library, compared byte for byte: a table of all of tests/programs.tsv and tests/programs/cases.
set -euo pipefail

usage() {
    cat <<'END'
usage: scripts/zoo.sh [OPTION...] [NAME...]

Runs each program (all of them if none is named) twice without the library and then with it; its standard output and exit status must
be the same. Missing packages are installed first when that can be done (root on Debian); programs that are still missing are skipped.
What is listed as different, CRASHED (by a signal, or the library ended it), HUNG, or uneven (differs without the library, too, so that
it shows nothing) is a failure. A filter is a sed -E script that took away what differs anyway.

options:
  -j N            N at a time (half the processors)
  --mode MODE     fast or hardened: the library's mode (fast)
  --conf CONF     what MSPACE_CONF is for the library
  --limit KIB     under ulimit -v KIB; a program that fails without the library, too, is skipped
  --repeat N      N times each; all must be identical (1)
  --no-thp        without huge pages, by prctl(2)
  --no-install    install nothing
  --full          full size instead of a tenth
  --list          the programs

Exit status: 0 none differs, 1 some do, 2 wrong usage.

examples:
  scripts/zoo.sh --repeat 10
  scripts/zoo.sh -j 1 --mode hardened php git
  scripts/zoo.sh --limit 500000
END
}

# shellcheck source=scripts/lib/setup.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/setup.sh"
one=$root/tests/programs/run-one.sh
jobs=$((($(nproc) + 1) / 2)) repeat=1 install=yes thp=
names=()
misused() {
    say "$*; --help shows how"
    exit 2
}
number() { [[ $2 =~ ^[1-9][0-9]*$ ]] || misused "$1 takes a number, not '$2'"; }
while [ $# -gt 0 ]; do
    case $1 in
        --help | -h) usage; exit 0 ;;
        --list) exec "$one" --list ;;
        -j) number "$1" "${2-}"; jobs=$2; shift ;;
        --repeat) number "$1" "${2-}"; repeat=$2; shift ;;
        --limit) number "$1" "${2-}"; export MSPACE_TEST_LIMIT=$2; shift ;;
        --mode)
            case ${2-} in fast | hardened) ;; *) misused "--mode takes fast or hardened, not '${2-}'" ;; esac
            export MSPACE_MODE=$2
            shift
            ;;
        --conf) export MSPACE_CONF=${2-}; shift ;;
        --no-thp) thp=off ;;
        --no-install) install=no ;;
        --full) export MSPACE_TEST_FULL=1 ;;
        -*) misused "no option $1" ;;
        *) names+=("$1") ;;
    esac
    shift
done
known=$("$one" --list)
[ ${#names[@]} -gt 0 ] || mapfile -t names <<<"$known"
for name in "${names[@]}"; do
    grep -qx -- "$name" <<<"$known" || misused "no program $name"
done

build mspace
mapfile -t packages < <("$one" --missing "${names[@]}")
if [ ${#packages[@]} -gt 0 ]; then
    { [ $install = yes ] && can_be_root && apt_install "${packages[@]}"; } ||
        say "skipping what needs these: sudo apt-get install --no-install-recommends ${packages[*]}"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
without_thp=()
if [ -n "$thp" ]; then
    # PR_SET_THP_DISABLE (41) is inherited by what is executed.
    command -v python3 >/dev/null || die "--no-thp needs python3"
    without_thp=(python3 -c 'import ctypes, os, sys; ctypes.CDLL(None).prctl(41, 1, 0, 0, 0) == 0 or sys.exit("prctl refuses"); os.execv(sys.argv[1], sys.argv[1:])')
fi

# try NAME: how its repetitions ended, in $work/NAME: identical, skipped, or what is listed as a failure, the number of good ones, and the output of the last.
try() {
    local name=$1 n=0 status=0
    while [ $n -lt "$repeat" ]; do
        status=0
        MSPACE_TEST_TWICE=$([ $n -gt 0 ] || echo 1) "${without_thp[@]}" "$one" "$library" "$name" >"$work/$name.log" 2>&1 || status=$?
        [ $status = 0 ] || break
        n=$((n + 1))
    done
    case $status in
        0) echo "identical $n" ;;
        77) echo "skipped $n" ;;
        3) echo "CRASHED $n" ;;
        4) echo "HUNG $n" ;;
        5) echo "uneven $n" ;;
        *) echo "DIFFERENT $n" ;;
    esac >"$work/$name"
}

start=$SECONDS
for name in "${names[@]}"; do
    while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n || true; done
    try "$name" &
done
wait

nidentical=0 ndifferent=0 nskipped=0
for name in "${names[@]}"; do
    read -r result n <"$work/$name"
    remark=$("$one" --filter "$name")
    case $result in
        identical) nidentical=$((nidentical + 1)) ;;
        skipped) nskipped=$((nskipped + 1)) remark=$(tail -n 1 "$work/$name.log" | cut -d: -f2-) ;;
        *) ndifferent=$((ndifferent + 1)) remark=$(grep -v 'exit 0' "$work/$name.log" | head -n 1 | cut -d: -f2-) ;;
    esac
    printf '%-20s %-10s %3d times %s\n' "$name" "$result" "$n" "$remark"
done
echo "$nidentical identical, $ndifferent different, $nskipped skipped, $((SECONDS - start)) s"
if [ $ndifferent -gt 0 ]; then
    for name in "${names[@]}"; do
        ! grep -qE 'identical|skipped' "$work/$name" || continue
        echo "--- $name"
        cat "$work/$name.log"
    done
    exit 1
fi
