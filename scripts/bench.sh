#!/usr/bin/env bash
# The suite: workloads and real programs under every allocator, ratios to each row's best, and two builds of libmspace against each other.
set -eu
# shellcheck source-path=SCRIPTDIR source=lib/setup.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/setup.sh"
# shellcheck source-path=SCRIPTDIR source=lib/allocators.sh
. "$root/scripts/lib/allocators.sh"
# shellcheck source-path=SCRIPTDIR source=lib/picture.sh
. "$root/scripts/lib/picture.sh"

rows_file=$root/tests/bench/rows.txt

usage() {
    cat <<'END'
usage: scripts/bench.sh [OPTIONS]

Runs every row of tests/bench/rows.txt (workloads written for the purpose, and real programs on inputs made on the spot) under
glibc's malloc, libmspace and every other allocator found but the hardened ones, each as scripts/compare.sh does, and prints for
time and for peak memory each allocator's ratio to the row's best peer (the best of all but libmspace), geometric means, and
libmspace's worst row. Interrupted, it shows the rows that are done by then.

options
  --quick              the rows that are quick, 3 runs: about two minutes
  --drawn FIRST-LAST   instead of the rows programs drawn at random from these seeds, as in 1-100: what nobody has tuned anything for
  --rows PATTERN       only rows whose name begins so, as in 'larson|python'; --list shows all
  --repeat N           measured runs (default 10)
  -a NAME[=FILE]       only these allocators, and glibc; may be repeated
  --save NAME          keep the runs in build/bench/NAME
  --against NAME       compare libmspace with that of an earlier --save NAME; exit status 1 if a row got slower or fatter outside
                       the noise of the runs, or fails. What changed on the machine meanwhile shows too: to be sure of a
                       row, give both builds to compare.sh, which has them take turns
  --scale              instead of the rows two curves: nanoseconds per operation against 10^3 to 10^7 live blocks, and against 1 to
                       16 threads
  --svg FILE           a picture (needs gnuplot)
  --html FILE          the picture and the tables
  --json FILE          the figures for other programs
  --csv FILE           all runs of all rows
  --markdown           the tables in Markdown
  --list               the rows, and what they stand for
  --help               this text

examples
  scripts/bench.sh --quick
  scripts/bench.sh --rows 'larson|medium' --repeat 20 -a libmspace -a jemalloc
  scripts/bench.sh --drawn 1-100 --repeat 3
  scripts/bench.sh --save before; git pull; scripts/bench.sh --against before
END
}

usage_error() {
    say "$*"
    say "see $0 --help"
    exit 2
}

# rows SIZE: name|needs|command|what it stands for, of the rows that match, or of the programs drawn; the command of that size.
rows() {
    local seed percent=100
    if [ -n "$drawn" ]; then
        [ "$1" != quick ] || percent=20
        for ((seed = ${drawn%-*}; seed <= ${drawn#*-}; seed++)); do
            echo "drawn-$seed|-|@B/bench_drawn $seed $percent|$("$build/tests/bench/bench_drawn" "$seed" describe)"
        done
        return
    fi
    awk -F ' *[|] *' -v size="$1" -v pattern="$pattern" '
        /^#/ || NF < 5 { next }
        size == "quick" && $3 == "-" { next }
        $1 ~ "^(" pattern ")" { print $1 "|" $2 "|" (size == "quick" || $4 == "=" ? $3 : $4) "|" $5 }' "$rows_file"
}

has_all() {
    local program
    for program in $1; do
        [ "$program" = - ] || command -v "$program" >/dev/null 2>&1 || return 1
    done
}

# machine: what the figures were measured on.
machine() {
    local name file
    date -u '+%Y-%m-%d'
    echo "commit $(git -C "$root" describe --always --dirty 2>/dev/null || echo unknown), Linux $(uname -r), $(nproc) CPUs:" \
        "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)," \
        "huge pages $(sed 's/.*\[\(.*\)\].*/\1/' /sys/kernel/mm/transparent_hugepage/enabled 2>/dev/null || echo unknown)"
    for name in "${chosen[@]}"; do
        file=${name#*=}
        case $file in
            - | "$library") ;;
            *) dpkg-query -W -f '${Package} ${Version}\n' "$(dpkg-query -S "$(realpath "$file")" 2>/dev/null | cut -d : -f 1)" 2>/dev/null || echo "$name" ;;
        esac
    done | paste -sd , | sed 's/,/, /g'
}

# run_row NAME COMMAND: its runs into $results/NAME.csv; fails if nothing could be measured.
run_row() {
    local name=$1 data=$work/$1 command options=() said status=0
    mkdir -p "$data"
    if grep -qxF -- "$name" <<<"$prepared"; then
        "$root/tests/bench/prepare.sh" "$name" "$data" "$size" || { say "row $name left out: its data could not be prepared"; return 1; }
    fi
    command=${2//@B\//$build/tests/bench/}
    command=${command//@D/$data}
    case $2 in @B/*) options=(--figure "$name" --ignore-output) ;; esac
    # shellcheck disable=SC2086  # words, but no patterns
    said=$(set -f; "$build/compare" "${arguments[@]}" ${options[@]+"${options[@]}"} --expect-success --runs "$repeat" --csv "$results/$name.csv" -- $command 2>&1) || status=$?
    case $status in
        0 | 1) ;;
        2) say "row $name left out: ${said##*compare: }"; return 1 ;;
        *) [ -n "$interrupted" ] || say "row $name left out: compare ended with status $status"; return 1 ;;
    esac
    rm -rf "$data"
}

run_rows() {
    local name needs command stands n=0 total
    total=$(rows "$size" | wc -l)
    [ "$total" -gt 0 ] || die "no row matches '$pattern'; --list shows them"
    : >"$results/rows"
    trap interrupted=1 INT TERM # the rows done so far are shown all the same
    while IFS='|' read -r name needs command stands; do
        n=$((n + 1))
        [ ! -t 2 ] || printf '\r\033[Krow %d of %d: %s (%s)' "$n" "$total" "$name" "$stands" >&2
        has_all "$needs" || { say "row $name left out: it needs $needs"; continue; }
        if run_row "$name" "$command" </dev/null; then echo "$name" >>"$results/rows"; fi
        [ -z "$interrupted" ] || break
    done < <(rows "$size")
    trap - INT TERM
    [ ! -t 2 ] || printf '\r\033[K' >&2
    [ -s "$results/rows" ] || die "no row is done, so there is nothing to show"
    [ -z "$interrupted" ] || say "interrupted: these are $(wc -l <"$results/rows") of $total rows"
}

# all_runs: the runs of all rows as one CSV.
all_runs() {
    local name header=1
    while read -r name; do
        awk -v row="$name" -v skip="$header" 'NR == 1 { if (skip == 1) print "row," $0; next } { print row "," $0 }' "$results/$name.csv"
        header=0
    done <"$results/rows"
}

# scale: the two curves, as tables of ns per operation.
scale() {
    local kind points point name
    for kind in live threads; do
        points='1000 10000 100000 1000000 10000000'
        [ "$kind" = live ] || points='1 2 4 8 16'
        for name in "${chosen[@]}"; do printf ' %s' "${name%%=*}"; done >"$results/$kind.dat"
        echo >>"$results/$kind.dat"
        for point in $points; do
            [ ! -t 2 ] || printf '\r\033[K%s: %s' "$kind" "$point" >&2
            "$build/compare" "${arguments[@]}" --figure "scale-$kind" --ignore-output --runs "$repeat" --csv "$results/point.csv" -- \
                "$build/tests/bench/bench_scale" "$kind" "$point" >/dev/null || [ $? -eq 1 ] || exit 2
            curve_point "$point" "$results/point.csv" >>"$results/$kind.dat"
        done
    done
    [ ! -t 2 ] || printf '\r\033[K' >&2
    echo 'ns per operation against live blocks (one thread)'
    sed '1s/^/blocks/' "$results/live.dat" | column -t
    echo
    echo 'ns per operation of each thread against threads'
    sed '1s/^/threads/' "$results/threads.dat" | column -t
}

# curve_point X CSV: a line `X median median ...`, an allocator each.
curve_point() {
    awk -F , -v x="$1" '
        NR == 1 { next }
        !($1 in seen) { seen[$1] = ++n }
        $2 != "" { figure[seen[$1], ++count[seen[$1]]] = $3 }
        END {
            printf "%s", x
            for (i = 1; i <= n; i++) {
                m = count[i]
                for (a = 2; a <= m; a++) { v = figure[i, a]; for (b = a - 1; b > 0 && figure[i, b] > v; b--) figure[i, b + 1] = figure[i, b]; figure[i, b + 1] = v }
                printf " %s", m ? (figure[i, int((m + 1) / 2)] + figure[i, int((m + 2) / 2)]) / 2 : "-"
            }
            print ""
        }' "$2"
}

size=full repeat='' pattern=. drawn='' save='' against='' svg='' html='' csv='' mode=rows interrupted='' allocators=() output=()
while [ $# -gt 0 ]; do
    case $1 in
        --help | -h) usage; exit 0 ;;
        --quick) size=quick; shift; continue ;;
        --scale) mode=scale; shift; continue ;;
        --markdown) output+=("$1"); shift; continue ;;
        --demonstration) size=quick repeat=5 pattern='(seed-malloc-(allocate|free)|pair-16|mixed-pareto|larson|large)$'; shift; continue ;;
        --list) rows full | awk -F '|' '{ printf "%-24s %s\n", $1, $4 }'; exit 0 ;;
        --rows | --drawn | --repeat | -a | --save | --against | --svg | --html | --json | --csv) [ $# -ge 2 ] || usage_error "$1 takes a value" ;;
        *) usage_error "unknown option '$1'" ;;
    esac
    case $1 in
        --rows) pattern=$2 ;;
        --drawn) drawn=$2 ;;
        --repeat) repeat=$2 ;;
        -a) allocators+=("$2") ;;
        --save) save=$2 ;;
        --against) against=$2 ;;
        --svg) svg=$2 ;;
        --html) html=$2 ;;
        --csv) csv=$2 ;;
        --json) output+=(--json "$2") ;;
    esac
    shift 2
done
if [ -z "$repeat" ]; then case $size in quick) repeat=3 ;; *) repeat=10 ;; esac; fi
[[ $repeat =~ ^[1-9][0-9]*$ ]] || usage_error "--repeat takes a number, not '$repeat'"
[[ -z $drawn || $drawn =~ ^[0-9]{1,9}-[0-9]{1,9}$ ]] || usage_error "--drawn takes the first and the last of the seeds, as in 1-100, not '$drawn'"
[[ $save$against =~ ^[A-Za-z0-9._-]*$ ]] || usage_error "names given to --save and --against are of letters, digits, dots and dashes"
[ -z "$against" ] || [ -f "$build/bench/$against/rows" ] || die "nothing was saved as '$against'; look into $build/bench"
[ -z "$against" ] || [ "$against" != "$save" ] || usage_error "--save would overwrite what --against compares with"
[ -z "$against" ] || [ "$repeat" -ge 5 ] || usage_error "--against needs 5 runs at least to say anything: --repeat 5"
[ "$mode" = rows ] || [ -z "$html$csv$against$save${output[*]-}" ] || usage_error "with --scale there is only --svg"
[ -z "$svg$html" ] || need_gnuplot

is_built bench || build bench
chosen=() arguments=()
if [ ${#allocators[@]} -eq 0 ]; then mapfile -t chosen < <(allocators_found | grep -vE '^(scudo|hardened_malloc)='); fi
for allocator in ${allocators[@]+"${allocators[@]}"}; do
    named=$(allocator_named "$allocator") || exit 2
    chosen+=("$named")
done
case " ${chosen[*]} " in *' glibc=- '*) ;; *) chosen=(glibc=- "${chosen[@]}") ;; esac # what a program does under it is what it shall do
for allocator in "${chosen[@]}"; do arguments+=(--allocator "$allocator"); done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
results=$work/results
[ -z "$save" ] || results=$build/bench/$save
mkdir -p "$results"
prepared=$("$root/tests/bench/prepare.sh" --list)

if [ "$mode" = scale ]; then
    scale
    [ -z "$svg" ] || picture_curves "$results" "$svg"
    exit
fi
run_rows
machine >"$results/machine"
status=0
[ -z "$against" ] || output+=(--against "$build/bench/$against")
"$build/suite" ${output[@]+"${output[@]}"} --plot "$work/plot" "$results" >"$work/table" || status=$?
case "${output[*]-}" in *'--json -'*) ;; *) cat "$results/machine" >>"$work/table" ;; esac
cat "$work/table"
[ "$status" -le 1 ] || exit "$status"
[ -z "$csv" ] || all_runs >"$csv"
if [ -n "$svg$html" ]; then
    picture_suite "$work/plot" "$work/svg"
    [ -z "$svg" ] || cp "$work/svg" "$svg"
    [ -z "$html" ] || picture_page "$work/svg" "$work/table" "$html" "libmspace and its peers"
fi
[ -z "$interrupted" ] || exit 130
exit "$status"
