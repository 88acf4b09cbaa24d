#!/usr/bin/env bash
# The library runs on every x86-64 and may be mapped everywhere: no instruction that the first processors lack, segments that begin on pages,
# nothing writable and executable; and in an emulated processor of the first kind programs run.
set -euo pipefail

usage() {
    cat <<'END'
usage: tests/hazard/loader/portable.sh LIBRARY CHECK [PROGRAM]

checks:
  instructions    none beyond baseline x86-64
  segments        aligned to pages, none writable and executable, no text relocation, no executable stack
  emulated        PROGRAM runs in qemu-x86_64 -cpu qemu64; exit status 77: not installed
END
}

[ "${1-}" != --help ] || { usage; exit 0; }
[ $# -ge 2 ] || { usage >&2; exit 2; }
library=$(realpath -- "$1")

# By the names of objdump. tzcnt is no such one: to old processors it is bsf, and compilers use it where the two agree.
check_instructions() {
    [ "$(uname -m)" = x86_64 ] || { echo "skipped: not x86-64"; exit 77; }
    objdump -d --no-show-raw-insn "$library" | awk -F '\t' '
        NF >= 2 {
            n++
            split($2, word, " ")
            name = word[1] ~ /^(lock|rep|repz|repnz|data16|bnd|notrack)$/ ? word[2] : word[1]
            if ($2 ~ /%[yz]mm|%xmm(1[6-9]|2[0-9]|3[01])|%k[0-7]/ || (name ~ /^v/ && name !~ /^ver[rw]$/) ||
                name ~ /^(andn|bextr|blsi|blsr|blsmsk|bzhi|mulx|pdep|pext|rorx|sarx|shlx|shrx|lzcnt|popcnt|movbe|crc32|adcx|adox|cmpxchg16b)[bwlq]?$/ ||
                name ~ /^(pshufb|phadd|pabs|palignr|psign|pmulld|ptest|pblend|blendv|pinsr[bdq]|pextr[bdq]|pmin(s[bd]|u[wd])|pmax(s[bd]|u[wd])|pmov[sz]x)/ ||
                name ~ /^(pclmul|aes|sha[12r]|rdrand|rdseed|rdtscp|xsave|xbegin|xend|xtest|clwb|clflushopt|umwait|umonitor|tpause|movdir|enqcmd|pcmpgtq|pcmpeqq|roundp|rounds|dpp[sd]|lddqu|movddup|movs[hl]dup|hadd|addsub)/) {
                print "beyond baseline: " $0
                bad = 1
            }
        }
        END {
            printf "%d instructions looked at\n", n
            exit bad || n == 0
        }'
}

check_segments() {
    local offset address align
    while read -r offset address align; do # not in awk: mawk knows no hexadecimal numbers
        if ((align < 4096 || offset % align != address % align)); then
            echo "not aligned: $offset at $address, to $align"
            return 1
        fi
    done < <(readelf -lW "$library" | awk '$1 == "LOAD" { print $2, $3, $NF }')
    readelf -lW "$library" | awk '
        $1 == "LOAD" { n++; if (/RWE/) { print "writable and executable: " $0; bad = 1 } }
        $1 == "GNU_STACK" { stack = 1; if (/RWE/) { print "executable stack"; bad = 1 } }
        END { printf "%d segments\n", n; exit bad || !n || !stack }'
    ! readelf -dW "$library" | grep TEXTREL
}

check_emulated() {
    command -v qemu-x86_64 >/dev/null || { echo "skipped: no qemu-x86_64"; exit 77; }
    for program in "$3" "$(type -P sort)"; do
        LD_PRELOAD=$library "$program" >plain </dev/null
        qemu-x86_64 -cpu qemu64 "$program" >out </dev/null || { echo "skipped: $program does not run in qemu-x86_64 without the library"; exit 77; }
        qemu-x86_64 -cpu qemu64 -E MSPACE_TEST_PRELOADED=1 -E LD_PRELOAD="$library" "$program" >out </dev/null
        cmp plain out
    done
}

case $2 in
    instructions) check_instructions ;;
    segments) check_segments ;;
    emulated)
        work=$(mktemp -d)
        trap 'rm -rf "$work"' EXIT
        cd "$work"
        check_emulated "$@"
        ;;
    *) usage >&2; exit 2 ;;
esac
