# shellcheck shell=bash
# What the scripts share: find the project, get the tools, build once.
# Sourced, never run. Everything it says goes to stderr; when all is well it says nothing.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
build=$root/build
library=$build/libmspace.so
me=${0##*/}

say() { printf '%s: %s\n' "$me" "$*" >&2; }
die() { say "$*"; exit 1; }

# quietly COMMAND...: its output is shown, on stderr, only if it fails. It sees neither our
# stdin nor the caller's LD_PRELOAD and make flags: those are meant for the program.
quietly() {
    local log status=0
    log=$(mktemp) || die "cannot write a temporary file; free some space in ${TMPDIR:-/tmp} or set TMPDIR to a folder you can write"
    env -u LD_PRELOAD -u MAKEFLAGS -u MFLAGS -u MAKELEVEL "$@" </dev/null >"$log" 2>&1 || status=$?
    [ "$status" -eq 0 ] || cat "$log" >&2
    rm -f "$log"
    return "$status"
}

# can_be_root: apt-get may be used, directly or through a sudo that asks nothing.
can_be_root() {
    command -v apt-get >/dev/null 2>&1 || return 1
    [ "$(id -u)" -eq 0 ] || sudo -n true >/dev/null 2>&1
}

# apt_install PACKAGE...: with fresh package lists if the ones at hand do not do.
apt_install() {
    local -a apt=(env DEBIAN_FRONTEND=noninteractive apt-get)
    [ "$(id -u)" -eq 0 ] || apt=(sudo -n "${apt[@]}")
    quietly "${apt[@]}" install -y --no-install-recommends "$@" 2>/dev/null && return 0
    quietly "${apt[@]}" update &&
        quietly "${apt[@]}" install -y --no-install-recommends "$@"
}

# need_tools: cmake, what it builds with ($CMAKE_GENERATOR from now on), and a C compiler with libc's headers are there, or get installed. Of 580 objects
# and 330 programs make takes 1.6 times as long as ninja, which starts a third of the processes; but what a build folder was made for stays.
need_tools() {
    local cc=${CC:-cc} generator=${CMAKE_GENERATOR:-}
    [ ! -f "$build/CMakeCache.txt" ] || generator=$(sed -n 's/^CMAKE_GENERATOR:INTERNAL=//p' "$build/CMakeCache.txt")
    [ -n "$generator" ] || ! command -v ninja >/dev/null 2>&1 || generator=Ninja
    [ -z "$generator" ] || export CMAKE_GENERATOR=$generator
    local -a missing=()
    # shellcheck disable=SC2086  # CC may hold flags
    echo '#include <stdlib.h>' | env -u LD_PRELOAD $cc -E -o /dev/null -x c - >/dev/null 2>&1 ||
        missing+=(gcc libc6-dev)
    command -v cmake >/dev/null 2>&1 || missing+=(cmake)
    case $generator in
        Ninja*) command -v ninja >/dev/null 2>&1 || missing+=(ninja-build) ;;
        *) command -v make >/dev/null 2>&1 || missing+=(make) ;;
    esac
    [ ${#missing[@]} -gt 0 ] || return 0
    can_be_root ||
        die "building libmspace needs ${missing[*]}; install them first: sudo apt-get update && sudo apt-get install ${missing[*]}"
    apt_install "${missing[@]}" ||
        die "apt-get could not install ${missing[*]}; put its error above right, or install them by hand, and try again"
}

# is_built TARGET: it was built, and no source of the library or of the measuring program is newer than the start of that build.
is_built() {
    [ -f "$library" ] && [ -f "$build/.built-$1" ] &&
        [ -z "$(cd "$root" && find CMakeLists.txt src include preload scripts/measure tests/bench -newer "build/.built-$1" -print -quit)" ]
}

# build_locked TARGET CMAKE_OPTION...: the caller holds build/.lock.
build_locked() {
    local target=$1
    shift
    need_tools
    touch "$build/.started"
    if [ $# -gt 0 ] || [ ! -f "$build/CMakeCache.txt" ]; then
        quietly cmake -S "$root" -B "$build" "$@" ||
            die "cmake could not configure $build; see its error above (a folder that cannot be saved: rm -r '$build')"
    fi
    quietly cmake --build "$build" --target "$target" -j "$(nproc)" ||
        die "the build failed; see the compiler's error above (a clean start: rm -r '$build')"
    mv "$build/.started" "$build/.built-$target"
}

# build TARGET [CMAKE_OPTION...]: one at a time; who comes second finds it done or does the rest.
build() {
    mkdir -p "$build" 2>/dev/null || true
    [ -w "$build" ] ||
        die "cannot write $build; make the folder $root writable for $(id -un), or clone it again"
    (
        flock 9
        { [ $# -eq 1 ] && is_built "$1"; } || build_locked "$@" 9>&-
    ) 9>"$build/.lock" || exit 1
}
