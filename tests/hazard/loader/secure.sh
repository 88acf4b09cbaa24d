#!/usr/bin/env bash
# A set-user-ID program does not load the library that its caller names. Where root has put it into /etc/ld.so.preload it does, and takes no
# option from the caller's environment: no text, no file, no check less. All in a mount namespace, and so an /etc, of the test's own.
set -euo pipefail

if [ $# -ne 2 ]; then
    echo "usage: tests/hazard/loader/secure.sh LIBRARY PROBE      as root; exit status 77: not root, or no mount namespaces"
    [ "${1-}" = --help ] && exit 0
    exit 2
fi
[ "$(id -u)" -eq 0 ] || { echo "skipped: not root"; exit 77; }
if [ -z "${IN_NAMESPACE-}" ]; then
    unshare -m true 2>/dev/null || { echo "skipped: no mount namespaces here"; exit 77; }
    IN_NAMESPACE=1 exec unshare -m -- "$0" "$@"
fi
command -v setpriv >/dev/null || { echo "skipped: no setpriv"; exit 77; }
work=$(mktemp -d)
trap 'cd /; umount /etc 2>/dev/null || true; umount -l "$work" 2>/dev/null || true; rmdir "$work"' EXIT
if ! mount --make-rprivate / || ! mount -t tmpfs -o mode=755 none "$work"; then
    echo "skipped: may not mount"
    exit 77
fi
cp -L "$1" "$work/libmspace.so"
for kind in plain suid sgid; do cp "$2" "$work/$kind"; done
chown 65532:65532 "$work/suid" "$work/sgid"
chmod 755 "$work/libmspace.so" "$work/plain"
chmod 4755 "$work/suid"
chmod 2755 "$work/sgid"
mkdir -m 777 "$work/cwd"
cd "$work/cwd"
status=0

hostile=(MSPACE_CONF="on_error=ignore,disable=1,stats=1,verbose=1,help=1,skip=suid+sgid,limit=1,no_such=/etc/passwd" MSPACE_DISABLE=1
    MSPACE_STATS=1 MSPACE_VERBOSE=1 MSPACE_MODE=hardened)

# run KIND VARIABLE=VALUE...: as nobody, in an empty folder; status in $code, output in out and err.
run() {
    local kind=$1
    shift
    code=0
    # the shell's own word about a process that aborted goes to nobody
    { (ulimit -c 0; setpriv --reuid=65534 --regid=65534 --clear-groups env "$@" "$work/$kind") >"$work/out" 2>"$work/err"; } 2>"$work/shell" || code=$?
}

# expect WHAT CODE OUT ERR: the exit status, the output, and a pattern for all of standard error, '' for none.
expect() {
    if [ "$code" = "$2" ] && [ "$(cat "$work/out")" = "$3" ] && { [ -z "$4" ] && [ ! -s "$work/err" ] || grep -qxE -- "$4" "$work/err"; } &&
        { [ -z "$4" ] || [ "$(wc -l <"$work/err")" -eq 1 ]; } && [ -z "$(ls -A "$work/cwd")" ]; then
        echo "$1: good"
    else
        echo "$1: BROKEN: exit status $code"
        cat "$work/out" "$work/err"
        ls -A "$work/cwd"
        status=1
    fi
}

run suid
[ "$(cat "$work/out")" = "secure 1 library 0" ] || { echo "skipped: set-user-ID does nothing here: $(cat "$work/out")"; exit 77; }
for kind in suid sgid; do
    run $kind LD_PRELOAD="$work/libmspace.so"
    expect "$kind, LD_PRELOAD with a path: is not loaded" 0 "secure 1 library 0" ''
    run $kind LD_PRELOAD=libmspace.so LD_LIBRARY_PATH="$work"
    grep -q 'cannot be preloaded' "$work/err"
    [ "$(cat "$work/out")" = "secure 1 library 0" ]
done

# The control: the same environment works where it may.
cp -a /etc "$work/etc"
echo "$work/libmspace.so" >"$work/etc/ld.so.preload"
mount --bind "$work/etc" /etc
line='mspace\[[0-9]+\]: free\(\): double free of 0x[0-9a-f]+ \(48-byte block\)'
run plain
expect "an ordinary program: double free is caught" 134 "secure 0 library 1" "$line"
run plain MSPACE_CONF=on_error=ignore
expect "an ordinary program takes on_error=ignore" 0 $'secure 0 library 1\nwent on' ''
run plain MSPACE_CONF=on_error=ignore,stats=1,help=1
grep -q 'live blocks' "$work/err"
grep -q 'limit=' "$work/err"
run plain "${hostile[@]}"
[ "$code" = 134 ] && grep -q 'free(): double free' "$work/err" && ! grep -q mspace "$work/err" # disable=1: libc's own sentence

for kind in suid sgid; do
    run $kind
    expect "$kind, no options" 134 "secure 1 library 1" "$line"
    run $kind "${hostile[@]}"
    expect "$kind, hostile options change nothing" 134 "secure 1 library 1" "$line"
    for each in "${hostile[@]}"; do
        run $kind "$each"
        expect "$kind, ${each%%,*}" 134 "secure 1 library 1" "$line"
    done
done

# The system's own set-user-ID programs do what they do.
for command in "passwd -S nobody" "chage -l nobody" "su --help" "mount --help"; do
    type -P "${command%% *}" >/dev/null || continue
    umount /etc
    # shellcheck disable=SC2086  # words
    plain=$(setpriv --reuid=65534 --regid=65534 --clear-groups $command 2>&1) || true
    mount --bind "$work/etc" /etc
    # shellcheck disable=SC2086  # words
    with=$(setpriv --reuid=65534 --regid=65534 --clear-groups env "${hostile[@]}" $command 2>&1) || true
    if [ "$plain" = "$with" ] && [ -n "$plain" ]; then echo "$command: good"; else printf '%s: BROKEN\n%s\n%s\n' "$command" "$plain" "$with"; status=1; fi
done
exit "$status"
