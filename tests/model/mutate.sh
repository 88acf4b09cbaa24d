#!/usr/bin/env bash
# A copy of a source file with changes in it.
set -euo pipefail

if [ $# -lt 3 ] || [ "$1" = --help ]; then
    echo "usage: mutate.sh SOURCE COPY SCRIPT..."
    echo "Writes to COPY what sed makes of SOURCE with one SCRIPT after the other, each of which must change something."
    echo "  mutate.sh src/heap/remote.c build/nobody_wakes.c mistakes/nobody_wakes.sed"
    exit $(($# != 1))
fi
source=$1 copy=$2
shift 2
cp "$source" "$copy.new"
for script; do
    sed -E -i.before -f "$script" "$copy.new"
    if cmp -s "$copy.new" "$copy.new.before"; then
        echo "mutate.sh: $script changes nothing in $source: has it been rewritten? Then the script must be, too" >&2
        exit 1
    fi
done
{
    echo "#line 1 \"$source\"" # where a schedule says that a thread was
    cat "$copy.new"
} >"$copy"
rm "$copy.new" "$copy.new.before"
