#!/bin/bash
# run.sh - compiles the layout experiments in all their variants, runs them interleaved, prints tables of medians.
set -eu

usage() {
    cat <<'END'
usage: tests/bench/layout/run.sh [--reps N] [--cpu K] [--quartile] EXPERIMENT...

  e1    double-free detection: time, instructions (needs valgrind), what each variant catches
  e4    lists against bitmaps, by block size
  e16   exported C++ operators
  e18   a guard page behind large blocks (needs Linux 6.13)
  e20   random frees over many spans: wake threshold, span size, pick rule, place of the pair
  all   everything above

examples:
  tests/bench/layout/run.sh e1
  tests/bench/layout/run.sh --reps 21 --cpu 0 e20 e4

A cell is the median over N alternations (default 11), or with --quartile the lower quartile, the better figure where others
use the machine: neighbours only ever add time. The last column is the distance between the quartiles in the line's noisiest
cell. Times are processor time of the thread.
END
}

reps=11 cpu=1 quartile=0 experiments=()
while [ $# -gt 0 ]; do
    case $1 in
        --help | -h) usage; exit 0 ;;
        --reps) reps=${2:?--reps needs a number}; shift ;;
        --quartile) quartile=1 ;;
        --cpu) cpu=${2:?--cpu needs a number}; shift ;;
        all) experiments+=(e1 e4 e16 e18 e20) ;;
        e1 | e4 | e16 | e18 | e20) experiments+=("$1") ;;
        *) echo "run.sh: unknown argument '$1'; try --help" >&2; exit 2 ;;
    esac
    shift
done
[ ${#experiments[@]} -gt 0 ] || { usage >&2; exit 2; }

here=$(cd "$(dirname "$0")" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
warnings=(-Wall -Wextra -Wshadow -Wundef -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings -Wcast-qual -Wvla)

# build SOURCE NAME=FLAGS...: one program per variant, $tmp/NAME; remembers the names in $variants.
build() {
    local source=$1 flags variant
    variants=()
    shift
    for variant in "$@"; do
        read -ra flags <<<"${variant#*=}"
        gcc -std=gnu11 -O2 "${warnings[@]}" "${flags[@]}" "$here/$source" -o "$tmp/${variant%%=*}"
        variants+=("${variant%%=*}")
    done
}

# measure: every variant once, in turn, $reps times; lines "variant row value" go to $tmp/samples.
measure() {
    local i name
    for ((i = 0; i < reps; i++)); do
        for name in "${variants[@]}"; do
            taskset -c "$cpu" "$tmp/$name" | sed "s/^/$name /"
        done
    done >"$tmp/samples"
}

# table TITLE: a line per variant, a column per row of the program, medians out of $tmp/samples.
table() {
    printf '\n%s\n' "$1"
    sort -s -k1,1 -k2,2 -k3,3g "$tmp/samples" | awk -v quartile="$quartile" '
        FNR == NR { if (!($1 in v)) { v[$1]; vs[nv++] = $1 } if (!($2 in r)) { r[$2]; rs[nr++] = $2 } next }
        { n[$1, $2]++; x[$1, $2, n[$1, $2]] = $3 }
        END {
            printf "%-12s", "variant"
            for (j = 0; j < nr; j++) printf " %10s", rs[j]
            print "   quartiles"
            for (i = 0; i < nv; i++) {
                printf "%-12s", vs[i]
                worst = 0
                for (j = 0; j < nr; j++) {
                    k = n[vs[i], rs[j]]
                    m = (x[vs[i], rs[j], int((k + 1) / 2)] + x[vs[i], rs[j], int(k / 2) + 1]) / 2
                    s = x[vs[i], rs[j], int((3 * k + 3) / 4)] - x[vs[i], rs[j], int((k + 3) / 4)]
                    if (quartile) m = x[vs[i], rs[j], int((k + 3) / 4)]
                    if (m > 0 && s / m > worst) worst = s / m
                    printf " %10.2f", m
                }
                printf "   %.0f %%\n", 100 * worst
            }
        }' "$tmp/samples" -
}

# instructions ROW...: executed inside stub_malloc and stub_free per pair of calls, slow paths included.
instructions() {
    command -v valgrind >/dev/null || { echo "(no valgrind: instruction counts left out)"; return; }
    local name row total calls
    printf '\n%s\n%-12s' "instructions per malloc + free" variant
    printf ' %10s' "$@"
    echo
    for name in "${variants[@]}"; do
        printf '%-12s' "$name"
        for row in "$@"; do
            valgrind --tool=callgrind --toggle-collect=stub_malloc --toggle-collect=stub_free \
                --callgrind-out-file="$tmp/cg" "$tmp/$name" "$row" >/dev/null 2>&1
            total=$(awk '/^(summary|totals):/ { print $2; exit }' "$tmp/cg")
            calls=100000
            [ "$row" != mixed ] || calls=150000
            printf ' %10s' "$(awk -v t="$total" -v c="$calls" 'BEGIN { printf "%.1f", t / c }')"
        done
        echo
    done
}

e1() {
    local v=("none=-DTAG=0" "a=" "b=-DAT_FREE=AT_FREE_TAG" "b-current=-DAT_FREE=AT_FREE_TAG_IF_CURRENT" "b-head=-DAT_FREE=AT_FREE_HEAD"
        "bit=-DTAG=0 -DBITS=BITS_BLOCK" "bit16=-DTAG=0 -DBITS=BITS_GRANULE" "a+bit16=-DBITS=BITS_GRANULE"
        "a+scan=-DSCAN=1" "a+sum=-DSUM=1" "a+packed=-DSUM=2"
        "a+fused=-DFUSED=1" "chosen=-DAT_FREE=AT_FREE_HEAD -DSUM=2 -DFUSED=1")
    build e1_fused_check.c "check="
    "$tmp/check"
    build e1_crimes.c "${v[@]}"
    reps=1 measure
    printf '\nE1: what is caught\n'
    awk '{ if (!($1 in v)) { v[$1]; vs[nv++] = $1 }
          if (!($2 in r)) { r[$2]; rs[nr++] = $2 }
          x[$1, $2] = $3 }
        END { printf "%-12s", "variant"; for (j = 0; j < nr; j++) printf " %18s", rs[j]; print ""
              for (i = 0; i < nv; i++) {
                  printf "%-12s", vs[i]
                  for (j = 0; j < nr; j++) printf " %18s", x[vs[i], rs[j]]
                  print ""
              } }' "$tmp/samples"
    build e1_double_free.c "${v[@]}"
    instructions pair lifo mixed
    measure
    table "E1: ns per malloc + free (cold, bulk: per free)"
}

e4() {
    local size kind names=()
    build e4_bitmap.c "list=" "bitmap=-DBITS=BITS_ONLY -DTAG=0"
    for size in 16 32 64 128 256 512 1024 2048 4096; do
        for kind in list bitmap; do
            printf '#!/bin/sh\nexec "%s" %s\n' "$tmp/$kind" "$size" >"$tmp/$kind-$size"
            chmod +x "$tmp/$kind-$size"
            names+=("$kind-$size")
        done
    done
    variants=("${names[@]}")
    measure
    table "E4: ns per malloc + free, by block size"
}

# preload NAME LIBRARY...: $tmp/NAME runs the C++ workload with the libraries preloaded.
preload() {
    local name=$1
    shift
    printf '#!/bin/sh\nLD_PRELOAD="%s" exec "%s"\n' "$*" "$tmp/e16_workload" >"$tmp/$name"
    chmod +x "$tmp/$name"
    variants+=("$name")
}

# peer NAME SONAME: the workload over an installed peer, with its own operators and with ours that jump to its malloc.
peer() {
    ldconfig -p | grep -q "$2 " || { echo "($2 is not installed: left out)"; return; }
    preload "$1" "$2"
    preload "$1+new" "$tmp/operators.so" "$2"
}

e16() {
    local lib=(gcc -std=gnu11 -O2 -shared -fPIC -fvisibility=hidden -fno-builtin -fno-plt -ftls-model=initial-exec "${warnings[@]}")
    g++ -O2 -Wall -Wextra "$here/e16_workload.cpp" -o "$tmp/e16_workload"
    "${lib[@]}" -DOPERATORS=1 "$here/e16_preload.c" -o "$tmp/operators.so"
    "${lib[@]}" -DHEAP=1 "$here/e16_preload.c" -o "$tmp/heap.so"
    "${lib[@]}" -DHEAP=1 -DOPERATORS=2 "$here/e16_preload.c" -o "$tmp/heap-new.so"
    variants=()
    preload glibc
    preload glibc+new "$tmp/operators.so"
    preload stub "$tmp/heap.so"
    preload stub+new "$tmp/heap.so" "$tmp/operators.so"
    preload stub+inline "$tmp/heap-new.so"
    peer mimalloc libmimalloc.so.2
    peer jemalloc libjemalloc.so.2
    measure
    table "E16: ns per round (+new: operators that jump to malloc and free; +inline: operators that are the fast path)"
}

e18() {
    build e18_guard.c "none=-DGUARD=0" "sticky=-DGUARD=1" "each=-DGUARD=2" "mprotect=-DGUARD=3"
    measure
    table "E18: microseconds per malloc + free of a large block; at the end MiB on huge pages, mappings"
}

e20() {
    build e20_churn.c "base=" "wake8=-DWAKE_CAP=8" "wake16=-DWAKE_CAP=16" "wake-half=-DWAKE_DIV=2 -DWAKE_CAP=4096" \
        "128K=-DMIN_SLICES=2" "256K=-DMIN_SLICES=4" "oldest=-DPICK=PICK_OLDEST" "fullest=-DPICK=PICK_FULLEST" \
        "inline=-DPAIR_INLINE=1" "4Kpages=-DHUGE=0" "16+256K=-DWAKE_CAP=16 -DMIN_SLICES=4" "16+prefetch=-DWAKE_CAP=16 -DPREFETCH=1" \
        "bitmap=-DBITS=BITS_ONLY -DTAG=0" "w-base=-DWRITE=1" "w-wake16=-DWRITE=1 -DWAKE_CAP=16" \
        "w-16+256K=-DWRITE=1 -DWAKE_CAP=16 -DMIN_SLICES=4" "w-bitmap=-DWRITE=1 -DBITS=BITS_ONLY -DTAG=0"
    measure
    table "E20: ns per free + malloc of a random block; columns: spans of 64 KiB x block size (w-: the caller writes)"
}

for e in "${experiments[@]}"; do "$e"; done
