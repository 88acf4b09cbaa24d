#!/bin/bash
# H39, H57: with the whole machine in another state, put back at the end whatever happens: strict accounting of memory, huge pages.
# Only where the machine may be changed: MSPACE_TEST_OWNS_MACHINE=1, and root.
set -euo pipefail

if [ $# -lt 3 ]; then
    cat <<'END'
usage: tests/hazard/limits/changed_machine.sh FILE VALUE COMMAND...
    writes VALUE to FILE, of /proc/sys or /sys, runs the command, and writes back what was there
example: MSPACE_TEST_OWNS_MACHINE=1 tests/hazard/limits/changed_machine.sh /proc/sys/vm/overcommit_memory 2 env LD_PRELOAD=... sort FILE
Exit status: the command's; 77 the machine may not be changed.
END
    [ "${1-}" = --help ] && exit 0
    exit 2
fi
file=$1 value=$2
shift 2
[ "${MSPACE_TEST_OWNS_MACHINE-}" = 1 ] || { echo "MSPACE_TEST_OWNS_MACHINE is not 1"; exit 77; }
[ -w "$file" ] || { echo "$file cannot be written"; exit 77; }
before=$(sed 's/.*\[\(.*\)\].*/\1/' "$file")
trap 'echo "$before" >"$file"' EXIT
trap 'exit 1' INT TERM HUP
echo "$value" >"$file" || { echo "$file does not take $value"; exit 77; }
"$@"
