#!/bin/sh
# What the built library looks like from outside.
set -eu

here=$(dirname "$0")

usage() {
    cat <<'END'
usage: tests/abi/elf.sh LIBRARY CHECK

checks:
  exports    defines for others exactly the names of exports.txt, without versions
  plt        calls none of them by way of PLT or GOT: inside, hidden names are used
  tls        no dynamic thread-local storage, and at most 64 bytes of it: needs no malloc, and dlopen finds room
  data       no .data, and the small data that every program touches on one page, none of it where the page begins
  linking    needs libc alone, has its SONAME, no text relocation, no executable stack, starts first and stays

example:
  tests/abi/elf.sh build/libmspace.so plt
END
}

status=0
broken() {
    printf '%s\n' "$*"
    status=1
}

# Names of dynamic relocations: "OFFSET TYPE NAME".
relocations() { readelf -rW "$library" | awk '$3 ~ /^R_/ { sub(/@.*/, "", $5); print $1, $3, $5 }'; }

check_exports() {
    nm -D --defined-only "$library" | sed 's/^[0-9a-f]* //' | sed 's/^T //' | LC_ALL=C sort | diff "$here/exports.txt" - ||
        broken "< is missing, > is new or is no function: change exports.map and exports.txt together, knowingly"
}

# Only malloc and free may have a GOT entry, for preload/next.c to compare with, and realloc, for reallocarray to ask the first; and nothing
# may jump through it.
check_plt() {
    relocations | while read -r offset type name; do
        grep -qx "$name" "$here/exports.txt" || continue
        case $name/$type in
            malloc/*GLOB_DAT | free/*GLOB_DAT | realloc/*GLOB_DAT) printf '%s\n' "$offset" | sed 's/^0*//' ;;
            *) printf 'relocation: %s %s\n' "$type" "$name" ;;
        esac
    done >"$work/plt"
    grep '^relocation' "$work/plt" && broken "these calls can be taken over, and come back as a recursion"
    objdump -d --no-show-raw-insn "$library" >"$work/code"
    grep -q 'call' "$work/code" || broken "no code found"
    sed '/^relocation/d; s/.*/(call|jmp) .*# &( |$)/' "$work/plt" >"$work/slots"
    grep -E -f "$work/slots" "$work/code" && broken "a call through the GOT"
    ! grep -E "<($(tr '\n' '|' <"$here/exports.txt" | sed 's/|$//'))@plt>" "$work/code" || broken "a call through the PLT"
}

check_tls() {
    relocations | grep -E 'DTPMOD|DTPOFF|TLSDESC|TLS_DTP' && broken "dynamic thread-local storage: is -ftls-model=initial-exec missing?"
    size=$(readelf -lW "$library" | awk '$1 == "TLS" { print $6 }')
    [ -n "$size" ] || broken "no thread-local storage at all: what is looked at here?"
    [ $((size)) -le 64 ] || broken "$((size)) bytes of thread-local storage, over 64"
}

check_data() {
    ! readelf -SW "$library" | grep -q ' \.data  *PROGBITS' || broken ".data: a page fault with a copy, for what can be set at start"
    nm "$library" | awk '$3 ~ /^(range|spans|options|process|heap_secret|is_ready)$/ { print $1 }' >"$work/small"
    [ "$(wc -l <"$work/small")" -eq 6 ] || broken "the names are not all found: what is looked at here?"
    [ "$(sed 's/...$//' "$work/small" | sort -u | wc -l)" -eq 1 ] || broken "on several pages: what is large is aligned to pages, to lie before it (CMakeLists.txt)"
    ! grep '000$' "$work/small" || broken "at the start of a page, where programs write (BEFORE in src/span/range.c)"
}

check_linking() {
    readelf -dW "$library" >"$work/dynamic"
    readelf -lW "$library" >"$work/headers"
    grep -q 'SONAME.*\[libmspace\.so\.0\]' "$work/dynamic" || broken "SONAME is not libmspace.so.0"
    ! grep NEEDED "$work/dynamic" | grep -vE '\[(libc\.so\.6|ld-linux[^]]*)\]' || broken "needs more than libc"
    ! grep TEXTREL "$work/dynamic" || broken "text relocations"
    grep -q 'GNU_STACK.* RW ' "$work/headers" || broken "executable stack"
    for flag in NOW NODELETE INITFIRST; do
        grep FLAGS_1 "$work/dynamic" | grep -qw "$flag" || broken "not linked with -z $flag"
    done
    ! grep -E '\(SYMBOLIC\)|FLAGS.*SYMBOLIC' "$work/dynamic" || broken "linked with -Bsymbolic: who owns malloc could not be told"
    ! grep -E 'LOAD.* RWE ' "$work/headers" || broken "a segment is writable and executable"
}

[ "${1-}" != --help ] || { usage; exit 0; }
[ $# -eq 2 ] || { usage >&2; exit 2; }
library=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
case $2 in
    exports) check_exports ;;
    plt) check_plt ;;
    tls) check_tls ;;
    data) check_data ;;
    linking) check_linking ;;
    *) usage >&2; exit 2 ;;
esac
exit "$status"
