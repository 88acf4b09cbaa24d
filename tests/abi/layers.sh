#!/bin/sh
# Arrows point downward: a file includes its own folder and those below it. And the core stays readable in an evening.
set -eu

most_lines=6810 most_function=80 most_median=15
core="base os span heap api"

root=$(cd "$(dirname "$0")/../.." && pwd)
case ${1-} in
    '') ;;
    --help)
        echo "usage: tests/abi/layers.sh [FOLDER]     FOLDER: a source tree, this one if not given"
        echo "The order of layers, lowest first, is the line 'layers: ...' of src/README.md."
        exit 0
        ;;
    *) root=$1 ;;
esac
cd "$root"

order=$(sed -n 's/^[^a-z]*layers:[^a-z]*\([a-z ]*[a-z]\).*/\1/p' src/README.md 2>/dev/null | head -n 1)
order=${order:-base os span guard heap watch api public preload}
status=0

# Every folder has its place, so that none escapes.
for folder in src/*/; do
    case " $order " in
        *" $(basename "$folder") "*) ;;
        *) echo "$folder is not in the order of layers: $order"; status=1 ;;
    esac
done

# include/ is the contract with the outside: anybody may see it.
# shellcheck disable=SC2016  # the awk program's own dollars
find src preload -name '*.[ch]' -o -name '*.def' | sort | xargs awk -v order="$order" '
    BEGIN { n = split(order, names, " "); for (i = 1; i <= n; i++) rank[names[i]] = i }
    function folder_of(path, parts, n) { n = split(path, parts, "/"); return parts[n - 1] }
    /^[ \t]*#[ \t]*include[ \t]*"/ {
        split($0, quoted, "\"")
        to = quoted[2] ~ /\// ? folder_of(quoted[2]) : folder_of(FILENAME)
        from = folder_of(FILENAME)
        nincludes++
        if (to == "include") next
        if (!(to in rank)) { printf "%s:%d: includes \"%s\", which is in no layer\n", FILENAME, FNR, quoted[2]; nbroken++ }
        else if (rank[to] > rank[from]) { printf "%s:%d: %s includes %s, which is above it\n", FILENAME, FNR, from, to; nbroken++ }
    }
    END {
        if (nincludes < 20) { print "hardly an include found: what is looked at here?"; nbroken++ }
        exit nbroken != 0
    }' || status=1

# Length of functions, signature to closing brace: one that begins in the first column, and one on a line of its own.
# shellcheck disable=SC2086  # a list of words
core_files=$(for layer in $core; do find "src/$layer" -name '*.[ch]' -o -name '*.def'; done)
# shellcheck disable=SC2086
lines=$(cat $core_files | wc -l)
[ "$lines" -le $most_lines ] || { echo "the core has $lines lines, over $most_lines"; status=1; }
# shellcheck disable=SC2086
awk -v most=$most_function '
    FNR == 1 { start = 0 }
    /^[A-Za-z].*\) *\{.*\}$/ { print 1; next }
    /^[A-Za-z_].*\)$/ || /^[A-Za-z_].*,$/ { if (!start) { start = FNR; name = $0 } }
    /^[A-Za-z_].*;$/ || /^$/ { if (!inside) start = 0 }
    /^\{$/ { inside = start }
    /^\}$/ {
        if (inside) {
            print FNR - inside + 1
            if (FNR - inside + 1 > most) printf "%s:%d: %d lines, over %d: %s\n", FILENAME, inside, FNR - inside + 1, most, name > "/dev/stderr"
        }
        start = inside = 0
    }' $core_files | sort -n | awk -v most=$most_function -v most_median=$most_median -v lines="$lines" '
    { n++; length_of[n] = $1 }
    END {
        median = length_of[int((n + 1) / 2)]
        printf "core: %d lines, %d functions, median %d, longest %d\n", lines, n, median, length_of[n]
        if (n < 150) { print "too few functions found: the counter is blind"; exit 1 }
        if (median >= most_median) { printf "the median is not under %d\n", most_median; exit 1 }
        exit length_of[n] > most
    }' || status=1
exit $status
