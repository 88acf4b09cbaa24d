#!/usr/bin/env bash
# Every benchmark of this folder under every allocator, interleaved, as two Markdown tables: time and peak memory.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)

usage() {
    cat <<'END'
usage: tests/bench/side-by-side.sh [OPTIONS]

Runs the benchmarks of tests/bench under glibc, libmspace and Debian's mimalloc, jemalloc and tcmalloc (those that are installed), and
prints two Markdown tables of ratios to the row's best: time, and peak resident memory. One round runs every benchmark under every
allocator once, the allocators taking turns at being first; the first round is a warm-up and is not counted; each figure is the median
of the others.

options
  --rounds N      rounds that count (default 10)
  --only REGEX    only the benchmarks whose command matches, such as 'pair|seed'
  --lib FILE      libmspace.so (default: $LIB, else build/libmspace.so)
  --bin DIR       the benchmarks (default: build/tests/bench)
  --cpus LIST     run on these CPUs (taskset)
  --extra NAME=FILE  one more allocator; may be repeated
  --keep FILE     keep all single measurements: allocator, row, ns/op, peak KiB, round
  --help          this

examples
  cmake -B build && cmake --build build && tests/bench/side-by-side.sh
  tests/bench/side-by-side.sh --rounds 3 --only pair --cpus 0
  LIB=other/libmspace.so tests/bench/side-by-side.sh --extra before=build/libmspace.so
END
}

die() { echo "side-by-side: $*" >&2; exit 1; }

# ---- options ----

rounds=10 only=. lib=${LIB:-$top/build/libmspace.so} bin=$top/build/tests/bench keep='' pin=()
extras=()
while [ $# -gt 0 ]; do
    case $1 in
    --help) usage; exit 0 ;;
    --rounds|--only|--lib|--bin|--cpus|--extra|--keep) [ $# -ge 2 ] || die "$1 wants a value; see --help" ;;
    *) die "no such option: $1; see --help" ;;
    esac
    case $1 in
    --rounds) rounds=$2 ;;
    --only) only=$2 ;;
    --lib) lib=$2 ;;
    --bin) bin=$2 ;;
    --cpus) pin=(taskset -c "$2") ;;
    --extra) extras+=("$2") ;;
    --keep) keep=$2 ;;
    esac
    shift 2
done
[ "$rounds" -ge 1 ] 2>/dev/null || die "--rounds wants a number from 1 up"
[ -x "$bin/bench_spawn" ] || die "no benchmarks in $bin: run cmake -B build && cmake --build build, or say --bin DIR"

# The row of a benchmark is the name that it prints itself. seed is over in milliseconds, from a cold start: it is run more often.
commands=(
    "bench_pair 16" "bench_pair 1024"
    "bench_mixed random" "bench_mixed pareto"
    "bench_larson" "bench_producer_consumer" "bench_medium" "bench_large" "bench_cold_free"
    "bench_seed malloc" "bench_seed mspace"
)
repeats() { case $1 in bench_seed*) echo 5 ;; *) echo 1 ;; esac; }

# ---- allocators ----

names=() files=()
allocator_add() { names+=("$1"); files+=("$2"); }

# Where the loader would find a shared library; empty if nowhere.
library_find() {
    PATH=$PATH:/sbin:/usr/sbin ldconfig -p 2>/dev/null | awk -v name="$1" '$1 == name { print $NF; exit }'
}

peer_add() { # NAME SONAME PACKAGE
    local file
    file=$(library_find "$2")
    if [ -n "$file" ]; then allocator_add "$1" "$file"; else echo "side-by-side: $1 left out: $2 not found (apt-get install $3)" >&2; fi
}

allocator_add glibc -
if [ -r "$lib" ]; then allocator_add libmspace "$(cd "$(dirname "$lib")" && pwd)/$(basename "$lib")"
else echo "side-by-side: libmspace left out: no $lib (say --lib FILE)" >&2; fi
peer_add mimalloc libmimalloc.so.2 libmimalloc2.0
peer_add jemalloc libjemalloc.so.2 libjemalloc2
peer_add tcmalloc libtcmalloc_minimal.so.4 libtcmalloc-minimal4
for extra in ${extras[@]+"${extras[@]}"}; do
    [ -r "${extra#*=}" ] || die "--extra $extra: cannot read ${extra#*=}"
    allocator_add "${extra%%=*}" "${extra#*=}"
done

# ---- measuring ----

raw=$(mktemp)
trap 'rm -f "$raw"' EXIT

# One run: a line per row the benchmark printed, with the process's peak memory.
measure() { # ROUND NAME FILE COMMAND
    local output
    # shellcheck disable=SC2086 # the command is words
    output=$(${pin[@]+"${pin[@]}"} "$bin/bench_spawn" "$3" "$bin/"$4) || die "$4 failed under $2: $output"
    awk -v name="$2" -v turn="$1" '
        $3 == "ns/op" { row[++n] = $1; value[n] = $2 }
        $1 == "spawn" { for (i = 1; i <= n; i++) print name "\t" row[i] "\t" value[i] "\t" $3 "\t" turn }' <<<"$output" >>"$raw"
}

for ((turn = 0; turn <= rounds; turn++)); do
    for command in "${commands[@]}"; do
        [[ $command =~ $only ]] || continue
        for ((i = 0; i < ${#names[@]}; i++)); do
            k=$(((i + turn) % ${#names[@]}))
            for ((r = $(repeats "$command"); r > 0; r--)); do measure "$turn" "${names[k]}" "${files[k]}" "$command"; done
        done
    done
    echo "side-by-side: round $turn of $rounds done" >&2
done
[ -s "$raw" ] || die "--only $only leaves nothing to run"
[ -z "$keep" ] || cp "$raw" "$keep"

# ---- tables ----

table() { # COLUMN TITLE UNIT: ratios to the row's best of that column's medians
    awk -F '\t' -v column="$1" -v title="$2" -v unit="$3" -v names="${names[*]}" '
        function sort_numbers(v, n,    i, k, x) {
            for (i = 2; i <= n; i++) { x = v[i]; for (k = i - 1; k > 0 && v[k] > x; k--) v[k + 1] = v[k]; v[k + 1] = x }
        }
        function quantile(v, n, q,    at) { at = 1 + (n - 1) * q; return v[int(at)] + (at - int(at)) * (v[int(at) < n ? int(at) + 1 : n] - v[int(at)]) }
        column == 4 { sub(/-(allocate|free)$/, "", $2); if ($2 == "cold") $2 = "cold-free" } # one process, one peak
        $5 > 0 {
            if (!($2 in seen)) { seen[$2] = 1; rows[++nrows] = $2 }
            count[$1, $2]++; figure[$1, $2, count[$1, $2]] = $column + 0
        }
        END {
            nnames = split(names, name, " ")
            printf "| %s | best, %s |", title, unit; for (a = 1; a <= nnames; a++) printf " %s |", name[a]; print " spread |"
            printf "|---|---|"; for (a = 1; a <= nnames; a++) printf "---|"; print "---|"
            for (r = 1; r <= nrows; r++) {
                best = 0; spread = 0
                for (a = 1; a <= nnames; a++) {
                    n = count[name[a], rows[r]]
                    for (i = 1; i <= n; i++) v[i] = figure[name[a], rows[r], i]
                    sort_numbers(v, n)
                    median[a] = quantile(v, n, 0.5)
                    if (best == 0 || median[a] < best) best = median[a]
                    width = (quantile(v, n, 0.75) - quantile(v, n, 0.25)) / median[a]
                    if (width > spread) spread = width
                }
                printf "| %s | %.*f |", rows[r], (best < 100 ? 2 : 0), best
                for (a = 1; a <= nnames; a++) { printf " %.2f |", median[a] / best; sum[a] += log(median[a] / best) }
                printf " %.0f %% |\n", 100 * spread
            }
            printf "| **geometric mean** | |"; for (a = 1; a <= nnames; a++) printf " **%.3f** |", exp(sum[a] / nrows); print " |"
        }' "$raw"
}

echo "Medians of $rounds rounds, interleaved, on $(nproc) CPUs$([ ${#pin[@]} -eq 0 ] || echo " (pinned: ${pin[*]:2})"), Linux $(uname -r)." \
    "Ratios to the row's best; spread: the widest interquartile range of the row, of its median."
echo
table 3 time ns/op
echo
table 4 "peak memory" KiB
