#!/bin/sh
# .clang-format decides the layout of the library's code, and how long a line is, a comment's too.
set -eu

version=14 # others break some lines elsewhere

root=$(cd "$(dirname "$0")/../.." && pwd)
case ${1-} in
    '') ;;
    --help) echo "usage: tests/abi/layout.sh [FOLDER]     FOLDER: a source tree, this one if not given"; exit 0 ;;
    *) root=$1 ;;
esac
command -v clang-format >/dev/null || { echo "clang-format is not installed"; exit 77; }
clang-format --version | grep -q "version $version\." || { echo "$(clang-format --version), not $version"; exit 77; }
cd "$root"

files=$(find src preload include -name '*.[ch]' | sort)
columns=$(sed -n 's/^ColumnLimit: *//p' .clang-format)
# shellcheck disable=SC2086  # a list of words
clang-format --dry-run -Werror $files
# shellcheck disable=SC2086
awk -v most="$columns" 'length($0) > most { printf "%s:%d: %d columns, over %d\n", FILENAME, FNR, length($0), most; n++ } END { exit n > 0 }' $files
