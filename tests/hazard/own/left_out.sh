#!/usr/bin/env bash
# A program keeps its own malloc when skip= says so; children go without the library when inherit=0 does; a file of defaults speaks
# for the whole system when the library is loaded for the whole system, and then only.
set -euo pipefail

usage() {
    cat <<'END'
usage: tests/hazard/own/left_out.sh LIBRARY WHOSE

WHOSE: the program of whose.c. Exit status: 0 all as promised, 1 not, 77 no private /etc can be had here (the rest was looked at).

example:
  tests/hazard/own/left_out.sh build/libmspace.so build/tests/hazard/own/hazard_whose
END
}
[ "${1-}" != --help ] || { usage; exit 0; }
[ $# = 2 ] || { usage >&2; exit 2; }
library=$(realpath "$1") whose=$(realpath "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$whose" "$work/git"
cp "$whose" "$work/gitx"
cd "$work"
failed=0

# expect WHAT COMMAND...: the command's output is WHAT
expect() {
    local what=$1 said
    shift
    said=$("$@" 2>&1) || true
    [ "$said" = "$what" ] || { printf '%s: said "%s", not "%s"\n' "$*" "$said" "$what"; failed=1; }
}
# shellcheck disable=SC2317  # expect calls it
under() { env LD_PRELOAD="$library" "$@"; }

expect ours under ./git
expect "libc's" under MSPACE_CONF=skip=ssh+git ./git
expect ours under MSPACE_CONF=skip=ssh+git ./gitx
expect "libc's" under MSPACE_CONF=disable=1 ./git
expect "libc's" under MSPACE_CONF=skip=git bash -c 'exec -a -git ./git' # as a login shell

expect "libc's" under MSPACE_CONF=inherit=0 bash -c './git; exit'
expect ours under MSPACE_CONF=inherit=0 ./git
expect ours under bash -c './git; exit'
expect "" under MSPACE_CONF=inherit=0 bash -c 'env | grep LD_PRELOAD'
expect LD_PRELOAD=libc.so.6: env LD_PRELOAD="libc.so.6:$library" MSPACE_CONF=inherit=0 bash -c 'env | grep LD_PRELOAD'

mkdir etc
printf '# for the whole system\n[git+ssh]\nskip=git\n' >etc/mspace.conf
expect "libc's" under MSPACE_CONF=file=etc/mspace.conf ./git
expect ours under MSPACE_CONF=file=etc/mspace.conf ./gitx
expect ours under MSPACE_CONF=file=etc/mspace.conf,skip=none ./git

printf '[ ssh + git ]\ndisable=1\n' >blanks.conf
expect "libc's" under MSPACE_CONF=file=blanks.conf ./git

# A private /etc, with the library loaded by its ld.so.preload.
echo "$library" >etc/ld.so.preload
cp /etc/ld.so.cache etc/
for command in ./git ./gitx "env LD_PRELOAD=$library ./git" "env MSPACE_CONF=skip=none ./git"; do
    # shellcheck disable=SC2016  # the inner shell's own
    unshare -rm sh -c 'mount --bind etc /etc && exec "$@"' sh sh -c "$command" >said 2>/dev/null || { echo "no private /etc: the file of the whole system is not looked at"; exit $((failed ? 1 : 77)); }
    cat said
done >all
expect "$(printf "libc's\nours\nours\nours")" cat all
exit $failed
