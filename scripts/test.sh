#!/usr/bin/env bash
# Build libmspace and run its tests.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib/setup.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/setup.sh"

# What tests can use beside the real programs, which tests/programs names itself.
test_packages=(binutils busybox-static clang eatmydata emacs-nox fakeroot faketime g++ gcc-multilib gdb heaptrack libjemalloc2 linux-perf ltrace musl-tools qemu-user strace
    valgrind)

usage() {
    cat <<'END'
usage: scripts/test.sh [--full] [-L LABEL] [-R NAME]

Builds libmspace with its tests and runs them: unit, abi, crime, property and stress at
a tenth of their size, and real programs, as far as they are installed, on small input;
what is missing is reported as skipped. On two cores this takes three to eight minutes, on a slow host fifteen.
With CI set in the environment a compiler warning fails the build.

options:
  --full     install the missing programs (root or sudo on Debian) and run all at full size
  -L LABEL   only tests with this label: unit, property, crime, stress, memory, programs, abi, scripts
  -R NAME    only tests whose name matches this pattern
  --help     this text

examples:
  scripts/test.sh
  scripts/test.sh --full
  scripts/test.sh -L programs
  scripts/test.sh -R 'program_python'
END
}

full=no
select=()
while [ $# -gt 0 ]; do
    case $1 in
        --full) full=yes; shift ;;
        -L | -R)
            [ -n "${2-}" ] || { say "$1 takes a value; see $0 --help"; exit 2; }
            select+=("$1" "$2")
            shift 2
            ;;
        --help | -h) usage; exit 0 ;;
        *) say "unknown argument '$1'; see $0 --help"; exit 2 ;;
    esac
done

if [ "$full" = yes ]; then
    mapfile -t programs < <("$root/tests/programs/run-one.sh" --missing)
    if can_be_root; then
        apt_install "${test_packages[@]}" "${programs[@]}" ||
            say "apt-get could not install all of ${test_packages[*]} ${programs[*]}; the tests of what is missing will be skipped"
    elif [ ${#programs[@]} -gt 0 ]; then
        say "not root: some tests will be skipped; to run them: sudo apt-get install ${test_packages[*]} ${programs[*]}"
    fi
    export MSPACE_TEST_FULL=1 MSPACE_TEST_SCALE=1
    size="full size"
else
    unset MSPACE_TEST_FULL
    export MSPACE_TEST_SCALE=${MSPACE_TEST_SCALE:-0.1}
    size="scale $MSPACE_TEST_SCALE"
fi

werror=OFF
[ -z "${CI:-}" ] || werror=ON
build all -DMSPACE_WERROR=$werror

# The tests stand on their own: nothing of the caller's allocator set-up reaches them.
unset LD_PRELOAD MSPACE_CONF MSPACE_MODE MSPACE_STATS MSPACE_VERBOSE MSPACE_DISABLE
jobs=$(nproc)
[ "$jobs" -le 4 ] || jobs=4
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
ctest --test-dir "$build" --output-on-failure --no-tests=error -j "$jobs" "${select[@]}" 2>&1 | tee "$log" || status=$?

# ctest counts a skipped test as passed; say both apart, and end on its own summary.
summary=$(grep -E '^[0-9]+% tests passed' "$log" || true)
if [ -n "$summary" ]; then
    skipped=$(grep -c '\*\*\*Skipped' "$log" || true)
    failed=$(sed -E 's/.*, ([0-9]+) tests failed.*/\1/' <<<"$summary")
    total=${summary##*out of }
    printf '\n%s, %s s\n' "$size" "$SECONDS"
    printf '%s passed, %s failed, %s skipped\n' $((total - failed - skipped)) "$failed" "$skipped"
    printf '%s\n' "$summary"
fi
exit "$status"
