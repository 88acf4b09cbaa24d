# shellcheck shell=bash disable=SC2034,SC2154
# xz on two threads: compress, and decompress again.
needs="xz"
packages="xz-utils"

prepare() {
    awk -v lines="$(scaled 400000)" 'BEGIN {
        for (n = 0; n < lines; n++) printf "%d line %d of text, %d\n", n, n * 7919 % 10007, n * 2654435761 % 4294967296
    }' >text
}

main() {
    xz -T2 -4 --block-size=1MiB -c "$in/text" >text.xz
    cat text.xz
    xz -T2 -dc text.xz | cksum
    xz -lvv text.xz
}
