# shellcheck shell=bash disable=SC2034,SC2154
# sort on four threads: numbers, words, with a small buffer (temporary files), unique.
needs="sort"
packages="coreutils"

prepare() {
    awk -v lines="$(scaled 2000000)" 'BEGIN {
        for (n = 0; n < lines; n++) printf "%d word%d %s\n", (n * 7919 + 13) % 1000003, n * 31 % 60013, substr("abcdefghijklmnopqrstuvwxyz", n % 20 + 1)
    }' >lines
}

main() {
    sort --parallel=4 -S 200M -n "$in/lines" | cksum
    sort --parallel=4 -S 2M -k3,3 -k2,2r "$in/lines" | cksum
    sort --parallel=4 -u -k2,2 "$in/lines"
}
